"""Rules that ask for more threads than their nodes have get fewer, as plain Snakemake does it with --cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

from snakemake_interface_common.exceptions import WorkflowError

from byok8s import compat
from byok8s.pods.pod_options import POD_OPTIONS

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.rules import Rule
    from snakemake.workflow import Workflow

    class Dag(Protocol):
        """What is asked of Snakemake's DAG."""

        workflow: Workflow

        def needrun_jobs(self) -> Iterable[Job]: ...


CORES = "_cores"  # Snakemake's name for threads among the resources
OWN_NODES = POD_OPTIONS | {"pod_template"}


def scale_down(dag: Dag, most: int, of_rules: Mapping[str, int]) -> str:
    """Limit the threads of all rules; return what to say of those that asked for more.

    most: of the nodes that take pods of which a rule says nothing. of_rules: of those that take a rule's pods, by name.
    """
    asked: dict[Rule, int] = {}
    for job in dag.needrun_jobs():
        if not job.is_local and (limit := _limit(job.rule, most, of_rules)):
            with suppress(WorkflowError):  # of what only tells once the job's inputs are there
                asked[job.rule] = max(asked.get(job.rule, 0), _asked(job, limit))
    limits = {rule: limit for rule in dag.workflow.rules if (limit := _limit(rule, most, of_rules))}
    for rule, limit in limits.items():
        rule.expand_resources = _limited(rule.workflow, limit, rule.expand_resources)
    for job in dag.needrun_jobs():
        if job.rule in limits and not job.is_local:
            with suppress(WorkflowError):
                if job.threads > limits[job.rule]:
                    compat.evaluate_again(job, once_more=True)
    return "\n".join(_lines(asked, limits))


def _limit(rule: Rule, most: int, of_rules: Mapping[str, int]) -> int | None:
    """None for a rule that chooses nodes of its own, and has nothing to do yet."""
    if rule.workflow.is_local(rule):
        return None
    return of_rules.get(rule.name, None if OWN_NODES & set(rule.resources) else most)


def _lines(asked: Mapping[Rule, int], limits: Mapping[Rule, int]) -> Iterator[str]:
    for rule, threads in asked.items():
        if threads > (limit := limits[rule]):
            yield (
                f"rule {rule.name}: {threads} threads asked for, the largest node has {limit}: runs with {limit}"
            )


def _asked(job: Job, limit: int) -> int:
    if job.threads < min(limit, job.rule.workflow.resource_settings.cores or limit):
        return int(job.threads)  # it was not limited
    others = {name for name in job.rule.resources if name != CORES}
    with _limiting(job.rule.workflow, None):
        found = job.rule.expand_resources(job.wildcards_dict, job.input, job.attempt, skip_evaluation=others)
    return int(found[CORES])


def _limited(workflow: Workflow, limit: int, expand: Callable[..., Any]) -> Callable[..., Any]:
    """Have Snakemake evaluate a rule's resources under a limit of its own."""

    @wraps(expand)
    def expand_resources(*arguments: Any, **named: Any) -> Any:
        with _limiting(workflow, min(limit, workflow.resource_settings.cores or limit)):
            return expand(*arguments, **named)

    return expand_resources


@contextmanager
def _limiting(workflow: Workflow, limit: int | None) -> Iterator[None]:
    before = workflow.global_resources[CORES]
    workflow.global_resources[CORES] = limit
    try:
        yield
    finally:
        workflow.global_resources[CORES] = before
