"""A run that is ended from elsewhere: by its folder, by its bucket, and nobody else by mistake."""

import json
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from byok8s.locks.owner import encode, this_process
from folders import run_in
from sandbox import Sandbox
from snakefiles import SLEEPING, only


def running(cluster: Sandbox) -> subprocess.Popen[str]:
    """Return a run that has a job at work and is known in the bucket."""
    cluster.write(only(SLEEPING))
    run = cluster.start("wf", "params", "--plain")
    cluster.await_pods()
    until = time.monotonic() + 60
    while not any(key.endswith("events.jsonl") for key in cluster.kept()):
        assert time.monotonic() < until
        time.sleep(0.2)
    return run


def byok8s(cluster: Sandbox, *words: str, expect: int = 0) -> str:
    return run_in(cluster.folder, [*cluster.program, *words], cluster.environment, expect)


def assert_cancelled(cluster: Sandbox, run: subprocess.Popen[str]) -> str:
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert cluster.names() == []
    assert cluster.made() == []
    assert not any(key.endswith("/cancel") for key in cluster.kept())
    (state,) = json.loads(byok8s(cluster, "runs", "--json"))
    assert state["state"] == "CANCELED"
    return said


def test_a_run_is_cancelled_in_its_folder(cluster: Sandbox) -> None:
    run = running(cluster)
    assert f"process {run.pid} of this machine.\nIt has ended." in byok8s(cluster, "cancel")
    assert_cancelled(cluster, run)
    said = byok8s(cluster, "cancel", expect=2)
    assert "Nobody is at work on run" in said
    assert "interrupted" in said


def test_a_run_is_cancelled_by_its_bucket_from_another_folder(cluster: Sandbox, tmp_path: Path) -> None:
    run = running(cluster)
    elsewhere = replace(cluster, folder=tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    # a process whose number a lock of this folder still has, as after a restart of the machine
    with subprocess.Popen(["sleep", "600"]) as another:
        lock = elsewhere.folder / ".byok8s" / "lock"
        lock.parent.mkdir()
        (id_,) = (folder.name for folder in (cluster.folder / ".byok8s" / "runs").iterdir())
        holder = replace(this_process(), process=another.pid, run=id_, heard=datetime.now(UTC))
        lock.write_bytes(encode(holder))
        bucket = f"{cluster.bucket.name}/{cluster.bucket.prefix}"
        said = byok8s(elsewhere, "cancel", id_, "--s3-bucket", bucket)
        assert another.poll() is None
        another.kill()
    assert "by way of its bucket" in said
    assert "It has ended." in said
    assert "has cancelled it" in assert_cancelled(cluster, run)
