"""What only the rig lets a test do: kill and stop the parts of the cluster, and bring them back."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from byok8s import s3
from byok8s.kube import Context, KubeClient
from byok8s.kube.objects import Object, items, text
from sandbox import KUBECONFIG

RIG = Path(__file__).parents[1] / "rig"
PIDS = Path(KUBECONFIG).parent / "pid" if KUBECONFIG else Path("nowhere")


def process(part: str) -> int:
    """The process of a part: apiserver, etcd, kubelet, s3, ... Skips the test on another cluster."""
    file = PIDS / part
    if not file.is_file():
        pytest.skip(f"only the rig's {part} can be killed")
    return int(file.read_text().split()[0])


def bring_back() -> None:
    """Returns when pods can be placed and objects stored again."""
    subprocess.run([str(RIG / "up.sh")], check=True, stdout=subprocess.DEVNULL)
    client = KubeClient(Context())
    _await(
        lambda: all(_is_ready(node) for node in items(client.get("/api/v1/nodes"), "items")),
        "the node is not ready",
    )
    _await(_stores, "the S3 server stores nothing")


def _await(is_so: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until, f"{otherwise} after 120 s"
        time.sleep(1)


def _stores() -> bool:
    """Return whether an object can be stored: SeaweedFS answers some time before its volumes are back."""
    bucket = s3.Bucket.parse(os.environ["BYOK8S_S3_BUCKET"], os.environ.get("BYOK8S_S3_ENDPOINT_URL"))
    client = s3.connect(bucket.endpoint_url)
    try:
        client.put_object(Bucket=bucket.name, Key="rig-control/stored", Body=b"")
    except (ClientError, BotoCoreError):
        return False
    return True


def _is_ready(node: Object) -> bool:
    conditions = {text(found, "type"): text(found, "status") for found in items(node, "status", "conditions")}
    return conditions.get("Ready") == "True" and not items(node, "spec", "taints")


@contextmanager
def killed(part: str) -> Iterator[None]:
    os.kill(process(part), signal.SIGKILL)
    try:
        yield
    finally:
        bring_back()


@contextmanager
def stopped(part: str) -> Iterator[None]:
    pid = process(part)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        bring_back()


def away(part: str, seconds: float) -> None:
    with killed(part):
        time.sleep(seconds)
