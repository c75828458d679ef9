"""Software and caches that rules declare: what pods have of it, and what a run on a cluster does not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from byok8s.errors import InputError
from byok8s.executor import compat
from byok8s.executor.between import is_cached

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow

    class Dag(Protocol):
        """What is asked of Snakemake's DAG."""

        workflow: Workflow

        def needrun_jobs(self) -> Iterable[Job]: ...


MOST_NAMED = 5


def honours_conda(workflow: Workflow) -> bool:
    """Return whether rules get the conda environments that they declare."""
    return "conda" in _methods(workflow)


def check(dag: Dag, *, all_declared: bool = False) -> None:
    """Raise InputError if rules want software of their own that pods cannot give them.

    all_declared: they are to have all that they declare. Otherwise that counts which Snakemake is asked for, by
    --software-deployment-method: pods pay as little heed to the rest as plain Snakemake.
    """
    methods = {"apptainer", "env-modules"} if all_declared else _methods(dag.workflow) - {"conda"}
    conda = honours_conda(dag.workflow)
    declared = dict.fromkeys(
        f"{job.rule.name} ({words})"
        for job in _of_pods(dag)
        if not (all_declared and job.conda_env_spec)
        for words in _declared(job, methods)
    )
    if declared:
        raise InputError(
            "Pods cannot give rules the software that they declare, except conda environments.",
            where=f"It is declared by {_named(declared)}.",
            hint="Put the software of all rules into one image and name it with --image (and --software image); or, if "
            "it is not needed, run with --software conda.",
        )
    local = dict.fromkeys(
        job.rule.name for job in dag.needrun_jobs() if conda and compat.runs_here(job) and job.conda_env_spec
    )
    if local:
        raise InputError(
            "Rules that run on this machine cannot have their conda environment, which are made for pods.",
            where=f"They are {_named(local)}.",
            hint="Take them out of localrules:, or run with --software image if they do not need it.",
        )


def environments(dag: Dag) -> str:
    """Say which conda environments the rules of pods want; nothing if they want none."""
    if not honours_conda(dag.workflow):
        return ""
    rules: dict[str, dict[str, None]] = {}
    for job in _of_pods(dag):
        if job.conda_env_spec and job.conda_env_spec.is_file:
            rules.setdefault(str(job.conda_env_spec.file.simplify_path()), {})[job.rule.name] = None
    found = ", ".join(f"{source} ({_named(of)})" for source, of in rules.items())
    return f"Conda environments: {found}." if found else ""


def _named(rules: Iterable[str]) -> str:
    all_rules = list(rules)
    more = f" and {len(all_rules) - MOST_NAMED} more" if all_rules[MOST_NAMED:] else ""
    return f"{', '.join(all_rules[:MOST_NAMED])}{more}"


def _methods(workflow: Workflow) -> set[str]:
    return {method.item_to_choice() for method in workflow.deployment_settings.deployment_method}


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
    return (job for job in dag.needrun_jobs() if not compat.runs_here(job))


def _declared(job: Job, methods: set[str]) -> Iterator[str]:
    if "apptainer" in methods and job.container_img_url:
        yield "container"
    if "env-modules" in methods and job.rule.env_modules:
        yield "envmodules"
