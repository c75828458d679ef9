"""Software and caches that rules declare: what pods have of it, and what a run on a cluster does not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from byok8s import compat
from byok8s.errors import InputError
from byok8s.jobs.between_workflow_cache import is_cached
from byok8s.software.container import Unfit, image

if TYPE_CHECKING:
    from snakemake.jobs import GroupJob, Job
    from snakemake.workflow import Workflow

    class Dag(Protocol):
        """What is asked of Snakemake's DAG."""

        workflow: Workflow

        def needrun_jobs(self) -> Iterable[Job]: ...


MOST_NAMED = 5
# as Snakemake calls them
CONDA, CONTAINER = "conda", "apptainer"


def honours_conda(workflow: Workflow) -> bool:
    """Return whether rules get the conda environments that they declare."""
    return CONDA in _methods(workflow)


def image_of(job: Job | GroupJob) -> str:
    """Return the image that a job's commands run in, or those of a group's only member; "" for that of the pods.

    Raises InputError if pods cannot have it.
    """
    if job.is_group():
        return next(iter(images(job)), "")
    if not (url := _container(job)):
        return ""
    try:
        return image(url)
    except Unfit as error:
        raise InputError(f"Pods cannot have the container {url} of rule {job.name}: {error}.") from error


def images(group: Iterable[Job]) -> set[str]:
    """Return the images that the members of a group want."""
    return {found for job in group if (found := image_of(job))}


def _container(job: Job) -> str:
    """Return what a job's rule says after container:, wildcards filled in, if that is honoured and matters."""
    if CONTAINER not in _methods(job.rule.workflow) or job.is_norun or job.is_template_engine or job.is_cwl:
        return ""
    return str(job.container_img_url or "")


def check(dag: Dag, *, all_declared: bool = False) -> None:
    """Raise InputError if rules want software of their own that pods cannot give them.

    all_declared: they are to have all that they declare. Otherwise that counts which Snakemake is asked for, by
    --software-deployment-method: pods pay as little heed to the rest as plain Snakemake.
    """
    jobs = list(_of_pods(dag))
    modules = all_declared or "env-modules" in _methods(dag.workflow)
    _refuse(
        "Pods cannot give rules the modules that they declare (envmodules:).",
        (
            job.rule.name
            for job in jobs
            if modules and job.rule.env_modules and not _has_other(job, all_declared)
        ),
        "Put the software of all rules into one image and name it with --image (and --software image); or, if it is "
        "not needed, run with --software conda.",
    )
    _check_containers(dag, jobs)
    _refuse(
        "Rules that run on this machine cannot have the software that they declare, which is for pods.",
        (job.rule.name for job in dag.needrun_jobs() if compat.runs_here(job) and _wants_software(job)),
        "Take them out of localrules:, or run with --software image if they do not need it.",
    )


def _has_other(job: Job, all_declared: bool) -> bool:
    """Return whether a rule says in another way, too, where its software is from."""
    return all_declared and bool(job.conda_env_spec or _container(job))


def _wants_software(job: Job) -> bool:
    return bool(_container(job) or _has_environment(job))


def _has_environment(job: Job) -> bool:
    return bool(honours_conda(job.rule.workflow) and job.conda_env_spec)


def _check_containers(dag: Dag, jobs: Iterable[Job]) -> None:
    wanting = [job for job in jobs if _container(job)]
    unfit: dict[str, str] = {}
    for job in wanting:
        try:
            image(_container(job))
        except Unfit as error:
            unfit[f"{job.rule.name} ({_container(job)}: {error})"] = ""
    _refuse(
        "Pods cannot have the containers that rules declare.",
        unfit,
        "Name an image in a registry, as docker://REGISTRY/NAME:TAG. If containers are not needed, run with --software "
        "conda or image.",
    )
    if wanting and (arguments := str(dag.workflow.deployment_settings.apptainer_args).strip()):
        raise InputError(
            f"Pods have no Apptainer, which {arguments!r} is for (--apptainer-args).",
            where=f"Containers are declared by {_named(dict.fromkeys(job.rule.name for job in wanting))}.",
            hint="Mount volumes with --pod persistent_volume_claims=CLAIM:/PATH; a variable for a container is "
            "APPTAINERENV_NAME.",
        )


def _refuse(what: str, rules: Iterable[str], hint: str) -> None:
    if found := dict.fromkeys(rules):
        raise InputError(what, where=f"It is declared by {_named(found)}.", hint=hint)


def containers(dag: Dag) -> str:
    """Say which images the rules of pods want; nothing if they want none."""
    rules: dict[str, dict[str, None]] = {}
    for job in _of_pods(dag):
        if found := image_of(job):
            rules.setdefault(found, {})[job.rule.name] = None
    found = ", ".join(f"{name} ({_named(sorted(of))})" for name, of in sorted(rules.items()))
    return f"Containers: {found}." if found else ""


def environments(dag: Dag) -> str:
    """Say which conda environments the rules of pods want; nothing if they want none."""
    if not honours_conda(dag.workflow):
        return ""
    rules: dict[str, dict[str, None]] = {}
    for job in _of_pods(dag):
        if job.conda_env_spec and job.conda_env_spec.is_file:
            rules.setdefault(str(job.conda_env_spec.file.simplify_path()), {})[job.rule.name] = None
    found = ", ".join(f"{source} ({_named(sorted(of))})" for source, of in sorted(rules.items()))
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
