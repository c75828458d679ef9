"""The rows of docs/faults.md, as upstream is tried: with the workflow and the fault of byok8s' test of the row."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from breaking import delete, delete_bucket, evict, own_bucket, quota, small_disk
from byok8s import s3
from experiment import WAIT_SECONDS, Experiment
from process import Ended, Process
from rig_control import away, killed, stopped
from s3_faults import Fault, failing
from sandbox import Sandbox
from snakefiles import (
    FAILING,
    LONG_LOG,
    ONCE,
    ONE_OF_TWO_FAILS,
    SIGNALLED,
    SLEEPING,
    STUBBORN,
    TAKEN_AWAY,
    many,
    memory,
    only,
    workflow,
)

LIMITS = ("--default-resources", "scale=0")  # what upstream wants to be told before it sets any limit
BLOCK = 4096


@dataclass(frozen=True)
class Row:
    """title: the row's first words in docs/faults.md. outputs: what they hold if all goes well.

    act: runs upstream and makes the fault; how each of its processes has ended.
    shared: it breaks what other rows use, and is tried when no other is.
    """

    title: str
    act: Callable[[Experiment], list[Ended]]
    outputs: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False


def numbered(count: int) -> dict[str, str]:
    return {f"out-{i}.txt": f"{i}\n" for i in range(count)}


EMPTY = {"out.txt": ""}


def run(files: dict[str, str], *arguments: str, jobs: int = 2) -> Callable[[Experiment], list[Ended]]:
    """Nothing is broken but the workflow itself."""

    def act(experiment: Experiment) -> list[Ended]:
        experiment.cluster.write(files)
        return [experiment.run(*arguments, jobs=jobs)]

    return act


def no_such_tag(experiment: Experiment) -> list[Ended]:
    experiment.cluster.write(many(1, ONCE))
    return [
        experiment.run("--container-image", os.environ["BYOK8S_IMAGE"].rpartition(":")[0] + ":no-such-tag")
    ]


def with_quota(pods: int, files: dict[str, str]) -> Callable[[Experiment], list[Ended]]:
    def act(experiment: Experiment) -> list[Ended]:
        quota(experiment.cluster, pods)
        experiment.cluster.write(files)
        return [experiment.run(jobs=4)]

    return act


def pod_taken_away(take: Callable[[Sandbox, str], None]) -> Callable[[Experiment], list[Ended]]:
    def act(experiment: Experiment) -> list[Ended]:
        experiment.cluster.write(only(TAKEN_AWAY))
        process = experiment.start()
        take(experiment.cluster, experiment.await_job())
        return [experiment.end(process)]

    return act


def part_away(part: str, seconds: float, count: int) -> Callable[[Experiment], list[Ended]]:
    def act(experiment: Experiment) -> list[Ended]:
        process = two_of(experiment, count)
        away(part, seconds)
        return [experiment.end(process)]

    return act


def two_of(experiment: Experiment, count: int, jobs: int = 2, **environment: str) -> Process:
    """A run of so many jobs that has made two."""
    experiment.cluster.write(many(count, ONCE))
    process = experiment.start(jobs=jobs, **environment)
    experiment.cluster.await_made(2, WAIT_SECONDS)
    return process


def kubelet_hangs(experiment: Experiment) -> list[Ended]:
    process = two_of(experiment, 8)
    with stopped("kubelet"):
        time.sleep(60)
    return [experiment.end(process)]


def s3_gone(experiment: Experiment) -> list[Ended]:
    process = two_of(experiment, 6)
    with killed("s3"):
        return [experiment.end(process)]


def bucket_deleted(experiment: Experiment) -> list[Ended]:
    bucket = experiment.stack.enter_context(own_bucket(experiment.cluster))
    experiment.cluster.bucket = s3.Bucket(bucket.name, "run", bucket.endpoint_url)
    experiment.cluster.write(many(6, "sleep 5; echo {wildcards.i} >> {output}"))
    process = experiment.start(jobs=1)
    experiment.cluster.await_made(1, WAIT_SECONDS)
    delete_bucket(bucket)
    return [experiment.end(process)]


def keys_revoked(experiment: Experiment) -> list[Ended]:
    revoked = threading.Event()
    fault = Fault(403, "InvalidAccessKeyId", everybody=True, since=revoked)
    with failing(experiment.cluster.bucket.endpoint_url or "", fault) as url:
        process = two_of(experiment, 6, jobs=1, SNAKEMAKE_STORAGE_S3_ENDPOINT_URL=url)
        revoked.set()
        return [experiment.end(process)]


def signalled(number: signal.Signals) -> Callable[[Experiment], list[Ended]]:
    def act(experiment: Experiment) -> list[Ended]:
        process = sleeping(experiment, only(SLEEPING))
        process.send(number)
        return [experiment.end(process)]

    return act


def sleeping(experiment: Experiment, files: dict[str, str]) -> Process:
    """A run with a job at work."""
    experiment.cluster.write(files)
    process = experiment.start()
    experiment.await_job()
    return process


def twice_interrupted(experiment: Experiment) -> list[Ended]:
    process = sleeping(experiment, only(STUBBORN))
    process.send(signal.SIGINT)
    process.await_word("Terminating processes")
    process.send(signal.SIGINT)
    return [experiment.end(process)]


def killed_and_again(experiment: Experiment) -> list[Ended]:
    """And, as it is refused, once more as Snakemake advises."""
    sleeping(experiment, many(4, "sleep 12; echo {wildcards.i} >> {output}")).kill()
    return [experiment.run(), experiment.run("--unlock"), experiment.run("--rerun-incomplete")]


def killed_and_changed(experiment: Experiment) -> list[Ended]:
    sleeping(experiment, many(2, "sleep 300; echo old >> {output}")).kill()
    experiment.cluster.write(many(2, "echo {wildcards.i} >> {output}"))
    return [experiment.run()]


def killed_and_nobody(experiment: Experiment) -> list[Ended]:
    """What is left is looked at when the jobs have ended."""
    process = sleeping(experiment, many(2, "sleep 5; echo {wildcards.i} >> {output}"))
    process.kill()
    ended = experiment.end(process)
    experiment.await_ended(2)
    return [ended]


def second_controller(experiment: Experiment) -> list[Ended]:
    first = sleeping(experiment, many(1, "sleep 300; touch {output}"))
    second = experiment.run()
    first.send(signal.SIGINT)
    return [second, experiment.end(first)]


def full_disk(experiment: Experiment) -> list[Ended]:
    """Filled by the bench while the first job runs: upstream itself keeps no logs there that could fill it."""
    experiment.cluster.folder = experiment.stack.enter_context(small_disk(experiment.cluster.folder))
    process = sleeping(experiment, many(3, ONCE))
    fill(experiment.cluster.folder)
    return [experiment.end(process)]


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(BLOCK))


TOO_LARGE = workflow(
    "rule big:\n    output: 'out.txt'\n    threads: 512\n    shell: 'touch {output}'\n", "big"
)
NOWHERE = ("--default-resources", "machine_type='nowhere'")
AGAIN_WITH_MORE = memory("lambda wildcards, attempt: 300 * 2 ** (attempt - 1)", 350_000_000)
ROWS = {
    "exit": Row("a job exits with 3", run(only(FAILING)), EMPTY),
    "keep-going": Row(
        "the same, other jobs go on under --keep-going",
        run(ONE_OF_TWO_FAILS, "--keep-going"),
        {"good-1.txt": "good\n", "good-2.txt": "good\n"},
    ),
    "signal": Row("a job is killed by a signal", run(only(SIGNALLED)), EMPTY),
    "memory": Row(
        "a job uses more memory than it asks for", run(memory("300", 2_000_000_000)), {"out.txt": "enough\n"}
    ),
    "memory-limit": Row(
        "a job uses more memory than its limit",
        run(memory("300", 2_000_000_000), *LIMITS),
        {"out.txt": "enough\n"},
    ),
    "memory-again": Row(
        "the same, with more memory at each of Snakemake's --retries",
        run(AGAIN_WITH_MORE, "--retries", "2", *LIMITS),
        {"out.txt": "enough\n"},
    ),
    "image": Row("an image that cannot be pulled, no such tag", no_such_tag, numbered(1)),
    "too-large": Row("a rule asks for more than the largest node has", run(TOO_LARGE), EMPTY),
    "quota-one": Row(
        "a quota with room for one pod",
        with_quota(1, many(4, "echo {wildcards.i} > {output}")),
        numbered(4),
    ),
    "quota-none": Row("a quota with room for none", with_quota(0, only("touch {output}")), EMPTY),
    "nowhere": Row("no node takes the pod", run(only("touch {output}"), *NOWHERE), EMPTY),
    "deleted": Row("the pod is deleted", pod_taken_away(delete), {"out.txt": "x\n"}),
    "evicted": Row("the pod is evicted by the API", pod_taken_away(evict), {"out.txt": "x\n"}),
    "kubelet": Row("the node's kubelet hangs for 60 s", kubelet_hangs, numbered(8), shared=True),
    "apiserver-20": Row(
        "the API server is killed for 20 s", part_away("apiserver", 20, 6), numbered(6), shared=True
    ),
    "apiserver-60": Row(
        "the API server is killed for 60 s", part_away("apiserver", 60, 6), numbered(6), shared=True
    ),
    "etcd": Row("etcd is killed for 20 s", part_away("etcd", 20, 6), numbered(6), shared=True),
    "s3": Row("the S3 server is killed for 30 s", part_away("s3", 30, 10), numbered(10), shared=True),
    "s3-gone": Row("the S3 server is killed for good", s3_gone, numbered(6), shared=True),
    "bucket": Row("the bucket is deleted in mid-run", bucket_deleted, numbered(6)),
    "keys": Row("the S3 keys are revoked in mid-run", keys_revoked, numbered(6)),
    "sigint": Row("Ctrl-C", signalled(signal.SIGINT), EMPTY),
    "sigterm": Row("SIGTERM", signalled(signal.SIGTERM), EMPTY),
    "sighup": Row("SIGHUP", signalled(signal.SIGHUP), EMPTY),
    "sigint-twice": Row("a second Ctrl-C", twice_interrupted, EMPTY),
    "killed-again": Row("the controller is killed with -9 and started again", killed_and_again, numbered(4)),
    "killed-changed": Row("the same after the workflow was changed", killed_and_changed, numbered(2)),
    "killed-nobody": Row(
        "the controller is killed with -9 and nobody comes back", killed_and_nobody, numbered(2)
    ),
    "second": Row("a second controller in the same folder", second_controller, {"out-0.txt": ""}),
    "disk": Row("the controller's disk is full", full_disk, numbered(3)),
    "long-log": Row("a job writes a log of 200 MB", run(many(1, LONG_LOG)), numbered(1)),
    "64-fail": Row(
        "64 jobs fail at once",
        run(many(64, "echo the reason of {wildcards.i}; exit 5"), "--keep-going", jobs=64),
        numbered(64),
    ),
}
