"""Rules that ask for more threads than a job can have, and get fewer, as plain Snakemake does it with --cores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow

    class Dag(Protocol):
        """What is asked of Snakemake's DAG."""

        def needrun_jobs(self) -> Iterable[Job]: ...


CORES = "_cores"  # Snakemake's name for threads among the resources


def scaled_down(dag: Dag, workflow: Workflow) -> str:
    """Say of each rule for how many threads it asks and how many its jobs get; nothing if all get theirs."""
    most = workflow.resource_settings.cores
    if most is None:
        return ""
    found: dict[str, int] = {}
    with _unlimited(workflow):
        for job in dag.needrun_jobs():
            # a job that has fewer than the most was not limited
            if not job.is_local and job.threads == most:
                found[job.rule.name] = max(found.get(job.rule.name, 0), _asked(job))
    return "\n".join(_lines(found, most))


def _lines(asked: dict[str, int], most: int) -> Iterator[str]:
    for rule, threads in asked.items():
        if threads > most:
            yield f"rule {rule}: {threads} threads asked for, the largest node has {most}: runs with {most}"


def _asked(job: Job) -> int:
    others = {name for name in job.rule.resources if name != CORES}
    resources = job.rule.expand_resources(job.wildcards_dict, job.input, job.attempt, skip_evaluation=others)
    return int(resources[CORES])


@contextmanager
def _unlimited(workflow: Workflow) -> Iterator[None]:
    """Have Snakemake evaluate threads without its limit."""
    before = workflow.global_resources[CORES]
    workflow.global_resources[CORES] = None
    try:
        yield
    finally:
        workflow.global_resources[CORES] = before
