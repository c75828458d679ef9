"""What is taken from a run while it goes on, or is not there for it: a quota's room, its pod, its bucket, its disk."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from byok8s import s3
from byok8s.kube.objects import Json, Object, get_in
from sandbox import Sandbox


def quota(cluster: Sandbox, pods: int) -> None:
    """No more pods than these in the namespace."""
    path = f"/api/v1/namespaces/{cluster.namespace}/resourcequotas"
    cluster.client.post(path, {"metadata": {"name": "few"}, "spec": {"hard": {"pods": str(pods)}}})
    for _ in range(40):  # until it is counted
        if get_in(cluster.client.get(f"{path}/few"), "status", "hard"):
            return
        time.sleep(0.25)


@contextmanager
def occupied(cluster: Sandbox) -> Iterator[None]:
    """Half a core of the node is another's, whose pod never runs."""
    container: dict[str, Json] = {"name": "c", "image": "none:1", "resources": {"requests": {"cpu": "500m"}}}
    pod: Object = {"metadata": {"name": "another"}, "spec": {"containers": [container]}}
    cluster.client.post(f"/api/v1/namespaces/{cluster.namespace}/pods", pod)
    try:
        while not get_in(cluster.client.get(_path(cluster, "another")), "spec", "nodeName"):
            time.sleep(0.25)
        yield
    finally:
        delete(cluster, "another")


def delete(cluster: Sandbox, pod: str) -> None:
    cluster.client.delete(_path(cluster, pod), {"gracePeriodSeconds": 0})


def evict(cluster: Sandbox, pod: str) -> None:
    eviction: Object = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": pod}}
    cluster.client.post(f"{_path(cluster, pod)}/eviction", eviction)


def _path(cluster: Sandbox, pod: str) -> str:
    return f"/api/v1/namespaces/{cluster.namespace}/pods/{pod}"


@contextmanager
def own_bucket(cluster: Sandbox) -> Iterator[s3.Bucket]:
    """A bucket that can be deleted."""
    bucket = s3.Bucket(cluster.namespace, "", cluster.bucket.endpoint_url)
    s3.connect(bucket.endpoint_url).create_bucket(Bucket=bucket.name)
    try:
        yield bucket
    finally:
        delete_bucket(bucket)


def delete_bucket(bucket: s3.Bucket) -> None:
    """With all that is in it."""
    client = s3.connect(bucket.endpoint_url)
    with suppress(client.exceptions.NoSuchBucket):  # type: ignore[attr-defined]
        for item in client.list_objects_v2(Bucket=bucket.name).get("Contents", []):
            client.delete_object(Bucket=bucket.name, Key=str(item["Key"]))
        client.delete_bucket(Bucket=bucket.name)  # type: ignore[attr-defined]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 4 MB, at a new folder below `folder`."""
    small = folder / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield small
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
