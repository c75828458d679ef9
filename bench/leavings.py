"""What is there after a run of upstream: outputs in the bucket, objects in the cluster, logs on the disk."""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Mapping

from botocore.exceptions import ClientError

from byok8s import s3
from byok8s.kube.objects import Json, items, mapping, text
from sandbox import Sandbox

DELETION_SECONDS = 120.0
COLLECTION_SECONDS = 15.0  # for Kubernetes' own collection of what has lost its owner


def look(cluster: Sandbox, expected: Mapping[str, str]) -> str:
    """In words. expected: what the outputs hold if all goes well."""
    return "; ".join(
        (_outputs(_made(cluster), expected), _begun(cluster), f"left: {_left(cluster)}", _logs(cluster))
    )


def _made(cluster: Sandbox) -> dict[str, str]:
    try:
        return {key: cluster.read(key) for key in cluster.made()}
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        return {}


def _outputs(made: Mapping[str, str], expected: Mapping[str, str]) -> str:
    whole = [key for key in expected if made.get(key) == expected[key]]
    wrong = sorted(key for key in made if made[key] != expected.get(key))
    return f"{len(whole)} of {len(expected)} outputs" + (f", wrong: {', '.join(wrong)}" if wrong else "")


def _begun(cluster: Sandbox) -> str:
    """How many pods began, by the kubelet's events: pods themselves are deleted."""
    events = _all(cluster, "/api/v1/namespaces/{}/events")
    pods = {text(event, "involvedObject", "name") for event in events if text(event, "reason") == "Started"}
    again = [job for job, pods_of in Counter(pod.rpartition("-")[0] for pod in pods).items() if pods_of > 1]
    return f"{_count(len(pods), 'pod')} began" + (
        f", more than one of {_count(len(again), 'Job')}" if again else ""
    )


def _left(cluster: Sandbox) -> str:
    """Once what is being deleted is gone, and what is without an owner could have been."""
    collected = time.monotonic() + COLLECTION_SECONDS
    deleted = time.monotonic() + DELETION_SECONDS
    while found := _objects(cluster):
        is_going = any(text(obj, "metadata", "deletionTimestamp") for _, obj in found)
        if time.monotonic() > (deleted if is_going else collected):
            break
        time.sleep(0.5)
    counts = Counter(kind for kind, _ in found)
    return ", ".join(_count(number, kind) for kind, number in counts.items()) or "nothing"


def _count(number: int, kind: str) -> str:
    first, *rest = kind.split()
    return " ".join([str(number), first if number == 1 else f"{first}s", *rest])


def _objects(cluster: Sandbox) -> list[tuple[str, dict[str, Json]]]:
    """With their kinds in words."""
    jobs = _all(cluster, "/apis/batch/v1/namespaces/{}/jobs")
    pods = _all(cluster, "/api/v1/namespaces/{}/pods")
    secrets = _all(cluster, "/api/v1/namespaces/{}/secrets")
    return [
        *(("Job", job) for job in jobs),
        *((f"pod ({text(pod, 'status', 'phase')})", pod) for pod in pods),
        *(("Secret with the keys", secret) for secret in secrets if _has_keys(secret)),
    ]


def _has_keys(secret: dict[str, Json]) -> bool:
    return base64.b64encode(s3.credentials().secret_key.encode()).decode() in mapping(secret, "data").values()


def _all(cluster: Sandbox, path: str) -> list[dict[str, Json]]:
    return items(cluster.client.get(path.format(cluster.namespace)), "items")


def _logs(cluster: Sandbox) -> str:
    """Of the jobs: the executor puts them below .snakemake on the disk of whoever started the run."""
    sizes = [file.stat().st_size for file in cluster.folder.glob(".snakemake/kubernetes-logs/*")]
    whole = [size for size in sizes if size]
    return f"{_count(len(whole), 'log')} of jobs kept" + (f" ({sum(whole)} bytes)" if whole else "")
