"""Software and caches of rules that are this machine's alone: what a run on a cluster does not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from byok8s.errors import InputError
from byok8s.executor.between import is_cached

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow

    class Dag(Protocol):
        """What is asked of Snakemake's DAG."""

        workflow: Workflow

        def needrun_jobs(self) -> Iterable[Job]: ...


MOST_NAMED = 5


def check(dag: Dag) -> None:
    """Raise InputError if rules are to have software of their own in pods, which all have the run's image.

    Without --software-deployment-method Snakemake pays no heed to what rules declare, and nor do pods.
    """
    methods = {method.item_to_choice() for method in dag.workflow.deployment_settings.deployment_method}
    declared = dict.fromkeys(
        f"{job.rule.name} ({words})" for job in _of_pods(dag) for words in _declared(job, methods)
    )
    if declared:
        rules = list(declared)
        more = f" and {len(rules) - MOST_NAMED} more" if rules[MOST_NAMED:] else ""
        raise InputError(
            "Software for each rule (--software-deployment-method) is not there in pods: all have the run's image.",
            where=f"It is declared by {', '.join(rules[:MOST_NAMED])}{more}.",
            hint="Put the software of all rules into one image and name it with --image; if it has all of it, leave "
            "--sdm out.",
        )


def unused_cache(dag: Dag) -> str:
    """Say that --cache is of no use to jobs in groups, if one of their rules would use it; else nothing."""
    if dag.workflow.workflow_settings.cache is None:
        return ""
    rules = list(dict.fromkeys(job.rule.name for job in _of_pods(dag) if job.group and is_cached(job)))
    if not rules:
        return ""
    return (
        "The cache between workflows (--cache) is not used for jobs in groups: each group runs whole, in one pod. "
        f"Rules that would use it: {', '.join(rules)}."
    )


def _of_pods(dag: Dag) -> Iterator[Job]:
    return (job for job in dag.needrun_jobs() if not job.is_local)


def _declared(job: Job, methods: set[str]) -> Iterator[str]:
    if "conda" in methods and job.conda_env_spec:
        yield "conda"
    if "apptainer" in methods and job.container_img_url:
        yield "container"
    if "env-modules" in methods and job.rule.env_modules:
        yield "envmodules"
