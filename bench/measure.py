"""One run from nothing, timed: a fresh folder, prefix in the bucket and user, and a checked result."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import upstream
from byok8s import s3
from byok8s.history.event import FILE, parsed
from byok8s.history.state import Try, folded
from byok8s.locks.heartbeat import beating
from common import OURS, THEIRS, BenchError
from cost import Cost
from namespace import AuditLog, BenchNamespace
from workflows import Workflow

BYOK8S = Path(sys.executable).with_name("byok8s")
WORD_SECONDS = 15.0  # between two words about pods that wait


@dataclass(frozen=True)
class Run:
    """seconds: from the command's start to its exit. requests: None if nobody counts them.

    crowding: what the scheduler said of pods that had to wait for room. cost: as measured, never multiplied.
    in_time: False where it was ended at the time limit; then seconds is the limit. factor: what the measured
    seconds and requests were multiplied with. overheads: of each job, the seconds between a warm worker getting it and
    Snakemake being told of its end; empty if nobody noted them.
    """

    side: str
    workflow: str
    seconds: float
    requests: int | None
    crowding: str
    cost: Cost
    in_time: bool = True
    factor: float = 1.0
    overheads: tuple[float, ...] = ()


@dataclass(frozen=True)
class Bench:
    """What all runs have in common.

    folder: for working folders and logs. limit: seconds that a run may take. theirs, wheels_url, precommand: of
    upstream, where it is run as well.
    """

    space: BenchNamespace
    audit: AuditLog
    bucket: s3.Bucket
    folder: Path
    limit: float
    theirs: upstream.Upstream | None = None
    wheels_url: str = ""
    precommand: str = ""

    def run(self, side: str, workflow: Workflow, number: int) -> Run:
        """Raises BenchError for a run that fails or makes a wrong result, or if byok8s is out of time."""
        name = f"{side}-{workflow.name}-{number}"
        folder = self.folder / name
        workflow.write(folder, side)
        bucket = s3.Bucket(self.bucket.name, f"{self.bucket.prefix}/{name}", self.bucket.endpoint_url)
        kubeconfig = self.folder / f"{name}.kubeconfig"
        user = self.space.user(name, kubeconfig)
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "XDG_CONFIG_HOME": str(self.folder / "none"),
        }
        command = self._command(side, workflow, folder, bucket, environment)
        log = self.folder / f"{name}.log"
        meter = self.space.meter()
        began = time.monotonic()
        with meter.running(), beating(self.space.say_who_waits, WORD_SECONDS, first=WORD_SECONDS):
            code = run(command, folder, environment, log, self.limit)
            seconds = time.monotonic() - began
        requests, crowding = self.audit.requests(user), self.space.crowding()
        if code is None and side == THEIRS:
            self.space.clear()
            return Run(side, workflow.name, self.limit, None, crowding, meter.cost, in_time=False)
        if code != 0:
            what = f"exit code {code}" if code is not None else f"ended after {self.limit:.0f} s"
            raise BenchError(f"{name}: {what}. The end of its output:\n{log.read_text()[-3000:]}")
        client = s3.connect(bucket.endpoint_url)
        for key, expected in workflow.results(side).items():
            check(name, client, bucket, key, expected)
        self.space.clear()
        factor = workflow.factor(side)
        counted = None if requests is None else round(requests * factor)
        return Run(
            side,
            workflow.name,
            seconds * factor,
            counted,
            crowding,
            meter.cost,
            factor=factor,
            overheads=tuple(map(took, ran(folder))),
        )

    def _command(
        self, side: str, workflow: Workflow, folder: Path, bucket: s3.Bucket, environment: dict[str, str]
    ) -> list[str]:
        """The command; what it needs beside is added to the environment."""
        if side == OURS:
            environment["BYOK8S_S3_BUCKET"] = f"{bucket.name}/{bucket.prefix}"
            environment["BYOK8S_K8S_NAMESPACE"] = self.space.namespace
            return [str(BYOK8S), f"workflow-{workflow.name}", workflow.params, "--jobs", str(workflow.jobs)]
        assert self.theirs
        environment.update(upstream.environment(self.wheels_url))
        return self.theirs.command(
            workflow.target(folder),
            workflow.params,
            workflow.jobs,
            self.space.namespace,
            bucket,
            self.precommand,
        )


def run(command: list[str], folder: Path, environment: dict[str, str], log: Path, limit: float) -> int | None:
    """Run a command in `folder`; its exit code, None if it was killed at the time limit (in seconds)."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all of it can be killed; upstream ignores kinder signals
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ran(folder: Path) -> Iterator[Try]:
    """Yield the tries of jobs that a worker has had, by the records in a folder; none if byok8s has not run there."""
    for record in folder.glob(f".byok8s/runs/*/{FILE}"):
        yield from (each for each in folded(parsed(record.read_bytes())).tries.values() if each.pod)


def took(job: Try) -> float:
    """Return the time between a warm worker getting a job and Snakemake being told of its end."""
    return ((job.ended or 0) - (job.began or 0)) / 1000


def check(name: str, client: s3.S3Client, bucket: s3.Bucket, key: str, expected: str) -> None:
    """Raise BenchError if a file of the bucket is not as it must be."""
    full = f"{bucket.prefix}/{key}"
    try:
        body = client.get_object(Bucket=bucket.name, Key=full)["Body"]
    except Exception as error:
        raise BenchError(f"{name} ended well, but {bucket.url}/{key} cannot be read: {error}") from error
    found = body.read().decode()
    if found != expected:
        raise BenchError(f"{name} made a wrong {key}: {found!r} instead of {expected!r}.")


def keys(client: s3.S3Client, bucket: s3.Bucket) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=f"{bucket.prefix}/")
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


@contextlib.contextmanager
def prefix(name: str) -> Iterator[s3.Bucket]:
    """A prefix of the bucket, emptied in the end.

    Upstream deletes a bucket together with its last object, so one object is there all the time.
    """
    whole = s3.Bucket.parse(os.environ["BYOK8S_S3_BUCKET"], os.environ["BYOK8S_S3_ENDPOINT_URL"])
    bucket = s3.Bucket(whole.name, f"{whole.prefix}/{name}".strip("/"), whole.endpoint_url)
    client = s3.connect(bucket.endpoint_url)
    keep = f"{bucket.prefix}/keep"
    client.put_object(Bucket=bucket.name, Key=keep, Body=b"")
    try:
        yield bucket
    finally:
        for key in keys(client, bucket):
            client.delete_object(Bucket=bucket.name, Key=key)
