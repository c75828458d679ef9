"""Measures what the software of rules costs their jobs: a container, a conda environment. See bench/README.md.

usage: make bench-software
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import report
from byok8s import s3
from byok8s.errors import Byok8sError
from byok8s.software.store import Store
from channel import BRIDGE, Channel
from common import BenchError, alone, need_rig, say
from measure import check, prefix, ran, run, took
from namespace import BenchNamespace, bench_namespace
from serving import served
from small_workers import CPU_REQUEST_SHARE

IMAGES = "BYOK8S_TEST_TOOL_IMAGES"
PROGRAM = Path(__file__).with_name("small_workers.py")
LIMIT_SECONDS = 900
RULES, WORKERS = 20, 4
FILES, FILE_BYTES = 5_000, 40_000  # 200 MB
MB = 1e6
GOALS = {"container": 0.050, "conda": 0.020}
GOAL_FIRST = 5.0
# each job wants the one before it: they take turns, and never run at once
IN_TURN = """
JOBS = {jobs}
def before(kind):
    return lambda wildcards: f"{{kind}}-{{wildcards.i}}.txt"
def last(wildcards):
    return f"conda-{{int(wildcards.i) - 1}}.txt" if int(wildcards.i) else []
rule all:
    input: f"conda-{{JOBS}}.txt"
rule plain:
    input: last
    output: "plain-{{i}}.txt"
    shell: "echo {{wildcards.i}} > {{output}}"
rule container:
    input: before("plain")
    output: "container-{{i}}.txt"
    container: "docker://{image}"
    shell: "echo {{wildcards.i}} > {{output}}"
rule conda:
    input: before("container")
    output: "conda-{{i}}.txt"
    conda: "random.yaml"
    shell: "echo {{wildcards.i}} > {{output}}"
"""
SHARED = """
rule all:
    input: expand("{{rule}}-{{i}}.txt", rule=[f"rule{{n}}" for n in range({rules})], i=range(2))
for n in range({rules}):
    rule:
        name: f"rule{{n}}"
        output: f"rule{{n}}-{{{{i}}}}.txt"
        conda: "{kind}.yaml"
        shell: "sleep 1; ls $CONDA_PREFIX/share/big | wc -l > {{output}}"
"""


@dataclass(frozen=True)
class Job:
    """seconds: from a worker getting it to Snakemake being told of its end."""

    rule: str
    pod: str
    began: float
    seconds: float


@dataclass(frozen=True)
class Ended:
    """A run. made: how many environments it has made. packed: the bytes of them in the bucket."""

    jobs: Sequence[Job]
    made: int
    packed: int


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what containers and conda environments cost jobs.")
    parser.add_argument("--jobs", type=int, default=60, metavar="N", help="of each kind [default: 60]")
    options = parser.parse_args()
    try:
        lines = _measure(options.jobs)
    except (BenchError, Byok8sError) as error:
        sys.exit(f"bench: {error}")
    print("\n".join(lines))


def _measure(jobs: int) -> list[str]:
    need_rig()
    if not (images := os.environ.get(IMAGES)):
        raise BenchError(f"{IMAGES} is not set.")
    with ExitStack() as stack:
        alone(stack)
        here = stack.enter_context(bench_namespace())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="byok8s-bench-")))
        bucket = stack.enter_context(prefix(here.namespace))
        source, before = report.source(), os.getloadavg()[0]
        _fill(Channel(folder / "channels" / "here"))
        address = stack.enter_context(served(folder / "channels", BRIDGE))
        snakefile = IN_TURN.format(jobs=jobs, image=images % "debian")
        numbers = {f"{kind}-{i}.txt": f"{i}\n" for kind in ("plain", *GOALS) for i in range(jobs + 1)}
        turns = _run("in-turn", snakefile, numbers, 1 + len(GOALS), here, bucket, folder, address)
        counts = {f"rule{n}-{i}.txt": f"{FILES}\n" for n in range(RULES) for i in range(2)}
        shared = {
            kind: _run(
                kind, SHARED.format(rules=RULES, kind=kind), counts, WORKERS, here, bucket, folder, address
            )
            for kind in ("random", "hex")
        }
        words = report.circumstances(here.cluster(), (before, os.getloadavg()[0]))
        words.append(f"workers ask for {CPU_REQUEST_SHARE} of a core each, so that four fit a small node")
        if report.source() != source:
            words.append("byok8s' source changed while this was measured")
    lines = [
        *_of_turns(turns.jobs),
        *(line for kind, one in shared.items() for line in _of_shared(kind, one)),
    ]
    return [*lines, *(f"- {word}" for word in words)]


def _fill(channel: Channel) -> None:
    """Add two packages of 200 MB: one that cannot be compressed, one of which half is left."""
    chance = random.Random(1)
    contents: Mapping[str, Iterator[bytes]] = {
        "random": (chance.randbytes(FILE_BYTES) for _ in range(FILES)),
        "hex": (chance.randbytes(FILE_BYTES // 2).hex().encode() for _ in range(FILES)),
    }
    for kind, files in contents.items():
        channel.add(kind, "1.0", {f"share/big/{number}": content for number, content in enumerate(files)})


def _run(
    name: str,
    snakefile: str,
    results: Mapping[str, str],
    workers: int,
    here: BenchNamespace,
    bucket: s3.Bucket,
    parent: Path,
    channels: str,
) -> Ended:
    """Run a Snakefile from nothing. results: what must be in its files. channels: their server's address.

    workers: how many jobs at once. Raises BenchError.
    """
    folder = parent / name
    folder.mkdir()
    (folder / "Snakefile").write_text(snakefile)
    for kind in ("random", "hex"):
        text = f"channels: [here, nodefaults]\ndependencies: [{kind}]\n"
        (folder / f"{kind}.yaml").write_text(text)
    mine = s3.Bucket(bucket.name, f"{bucket.prefix}/{name}", bucket.endpoint_url)
    environment = {
        **os.environ,
        "BYOK8S_S3_BUCKET": f"{mine.name}/{mine.prefix}",
        "BYOK8S_K8S_NAMESPACE": here.namespace,
        "BYOK8S_SOFTWARE": "declared",
        "BYOK8S_CHANNEL_ALIAS": channels,
    }
    log = parent / f"{name}.log"
    command = [sys.executable, str(PROGRAM), "run", "-s", "Snakefile", "--jobs", str(workers)]
    code = run(command, folder, environment, log, LIMIT_SECONDS)
    said = log.read_text()
    if code != 0:
        raise BenchError(f"{name}: exit code {code}. The end of its output:\n{said[-3000:]}")
    client = s3.connect(mine.endpoint_url)
    for key, content in results.items():
        check(name, client, mine, key, content)
    jobs = list(_jobs(folder))
    packed = sum(entry.size for entry in Store(mine).entries())
    here.clear()
    say(f"{name}: {len(jobs)} jobs in {jobs[-1].began + jobs[-1].seconds - jobs[0].began:.0f} s")
    return Ended(jobs, said.count("Making the conda environment"), packed)


def _jobs(folder: Path) -> Iterator[Job]:
    for job in sorted(ran(folder), key=lambda job: job.began or 0):
        yield Job(job.rule, job.pod, (job.began or 0) / 1000, took(job))


def _of_turns(jobs: Sequence[Job]) -> Iterator[str]:
    first, warm = _halves(jobs, lambda job: job.rule)
    seconds = {kind: [job.seconds for job in warm if job.rule == kind] for kind in ("plain", *GOALS)}
    for kind, found in seconds.items():
        low, _, high = quantiles(found, n=4)
        yield (
            f"{kind}: median {median(found) * 1000:.0f} ms a job on a warm worker, "
            f"the half in the middle {low * 1000:.0f} to {high * 1000:.0f}; {len(found)} jobs"
        )
    for kind, goal in GOALS.items():
        more = median(seconds[kind]) - median(seconds["plain"])
        yield f"{kind}: {more * 1000:+.0f} ms; goal {goal * 1000:+.0f}: {_met(more <= goal)}"
    more = max(job.seconds for job in first if job.rule == "conda") - median(seconds["conda"])
    met = _met(more <= GOAL_FIRST)
    yield f"first use of what cannot be compressed, one worker: {more:.1f} s; goal {GOAL_FIRST:.0f}: {met}"


def _of_shared(kind: str, found: Ended) -> Iterator[str]:
    first, warm = _halves(found.jobs, lambda _: kind)
    usual = median(job.seconds for job in warm)
    more = sorted(job.seconds - usual for job in first)
    yield (
        f"{kind}: {RULES} rules, {len(first)} workers, environments made: {found.made}, "
        f"{found.packed / MB:.0f} MB in the bucket; "
        f"first use, all at once: {', '.join(f'{each:.1f}' for each in more)} s; "
        f"goal {GOAL_FIRST:.0f}: {_met(more[-1] <= GOAL_FIRST)}"
    )


def _halves(jobs: Sequence[Job], kind: Callable[[Job], str]) -> tuple[list[Job], list[Job]]:
    """Return the first job of each kind of each worker, and all others, whose software is there."""
    seen: set[tuple[str, str]] = set()
    first: list[Job] = []
    others: list[Job] = []
    for job in jobs:
        known = (job.pod, kind(job))
        (others if known in seen else first).append(job)
        seen.add(known)
    return first, others


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
