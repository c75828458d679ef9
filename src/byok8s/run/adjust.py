"""What a run of the byok8s command changes in Snakemake, for as long as it takes. `snakemake` alone has none of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from importlib import metadata
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError

from byok8s import compat
from byok8s.executor import local_jobs
from byok8s.executor.log_files import LogFiles
from byok8s.fleet.record import Record
from byok8s.provenance import persistence
from byok8s.provenance.persistence import Records
from byok8s.software.spec import PLATFORM
from snakemake_scheduler_plugin_byok8s.compat import adapted
from snakemake_storage_plugin_byok8s.compat import check as check_names

if TYPE_CHECKING:
    from snakemake.dag import DAG

NO_LIMIT = 1_000_000  # of threads: without one a dry run has a limit of 1, and shows every job with that
CACHE = "SNAKEMAKE_OUTPUT_CACHE"
USED_OF_SOFTWARE = {
    "snakemake.dag:DAG.update_conda_envs": "self",
    "snakemake.dag:DAG.create_conda_envs": "self dryrun quiet",
    "snakemake.dag:DAG.pull_container_imgs": "self quiet",
    "snakemake.deployment.conda:Env._get_aux_file": "self suffix omit_msg",
    "snakemake.workflow:Workflow.global_conda": "self conda_env",
}


@contextmanager
def adjusted(
    cores: int,
    planned: Callable[[DAG], None],
    record: Record | None = None,
    provenance: Records | None = None,
) -> Iterator[None]:
    """Have Snakemake do what byok8s needs.

    cores: what the Snakefile knows as workflow.cores, unless --cores says it. planned: is called once the DAG is known,
    before anything is done. record: of the run, for jobs of this machine. provenance: the bucket's records of
    how files were made. Raises WorkflowError for a Snakemake that has other names.
    """
    from snakemake import workflow
    from snakemake.executors.local import Executor

    _check(workflow)
    compat.check()
    with (
        _replaced(workflow.Workflow, {"cores": _cores(cores)}),
        _replaced(Executor, {"handle_job_error": local_jobs.retrying(Executor.handle_job_error)}),
        _noted(record) if record else nullcontext(),
        _replaced(
            workflow,
            {
                "StorageOutputFileCache": _cache(
                    workflow.StorageOutputFileCache, workflow.LocalOutputFileCache
                ),
                "JobScheduler": _scheduler(workflow.JobScheduler, planned),
            },
        ),
        _recorded(provenance) if provenance else nullcontext(),
    ):
        yield


@contextmanager
def _noted(record: Record) -> Iterator[None]:
    """Have the jobs of this machine noted in the record of the run, and their logs kept there."""
    from snakemake.executors.local import Executor
    from snakemake.logging import logger

    with closing(LogFiles(logger)) as files:
        reports = {
            "printjob": local_jobs.announcing(Executor.printjob, record, files),
            "run_job": local_jobs.beginning(Executor.run_job, record),
            "report_job_success": local_jobs.ending(Executor.report_job_success, record, files),
            "report_job_error": local_jobs.reporting(Executor.report_job_error, record),
        }
        with _replaced(Executor, reports):
            yield


@contextmanager
def _recorded(records: Records) -> Iterator[None]:
    """Have Snakemake ask the bucket's records before the folder's own."""
    from snakemake import workflow
    from snakemake.jobs import Job

    persistence.check()
    backends = ("FilePersistence", "DbPersistence")
    scripts = "outputs_older_than_script_or_notebook"
    with (
        _replaced(
            workflow, {name: persistence.recorded(getattr(workflow, name), records) for name in backends}
        ),
        _replaced(Job, {scripts: persistence.older_than_script(getattr(Job, scripts), records)}),
    ):
        yield


@contextmanager
def made_in_pods() -> Iterator[None]:
    """Have Snakemake know the conda environments of all jobs, for what has changed, and make none: pods do.

    Nor pull images, which nodes do.
    """
    from snakemake import dag, workflow
    from snakemake.deployment import conda

    check_names(USED_OF_SOFTWARE)
    with (
        _replaced(
            dag.DAG,
            {
                "update_conda_envs": _known(dag.DAG.update_conda_envs),
                "create_conda_envs": lambda *_, **__: None,
                "pull_container_imgs": lambda *_, **__: None,
            },
        ),
        _replaced(conda.Env, {"pin_file": property(_pin_file)}),
        _replaced(workflow.Workflow, {"global_conda": _global_conda(workflow.Workflow.global_conda)}),
    ):
        yield


def _uses_conda(workflow: Any) -> bool:
    return any(
        method.item_to_choice() == "conda" for method in workflow.deployment_settings.deployment_method
    )


def _known(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Snakemake itself would know only those of jobs that run on this machine."""

    def update_conda_envs(self: Any) -> None:
        if not _uses_conda(self.workflow):
            original(self)
            return
        for job in self.jobs:
            spec = job.conda_env_spec
            key = (spec, job.container_img_url)
            if not spec or not spec.is_file or key in self.conda_envs:
                continue
            if not job.is_wrapper or self.workflow.sourcecache.exists(spec.file):
                self.conda_envs[key] = spec.get_conda_env(self.workflow)

    return update_conda_envs


def _pin_file(self: Any) -> Any:
    """Snakemake itself would ask conda for the platform, which is that of pods."""
    return self._get_aux_file(f".{PLATFORM}.pin.txt", "It has no pin file.")


def _global_conda(original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def global_conda(self: Any, conda_env: Any) -> None:
        if _uses_conda(self):
            raise WorkflowError(
                "The Snakefile has a conda: of its own, outside of any rule, for the Python that reads it. Pods do not "
                "have that: give its rules a conda: each, or run with --software image."
            )
        original(self, conda_env)

    return global_conda


def _check(workflow: Any) -> None:
    names = ("StorageOutputFileCache", "LocalOutputFileCache", "JobScheduler")
    missing = [name for name in names if not hasattr(workflow, name)]
    if not isinstance(getattr(workflow.Workflow, "cores", None), property):
        missing.append("Workflow.cores")
    if missing:
        raise WorkflowError(
            f"Snakemake {metadata.version('snakemake')} has no {missing[0]} in snakemake.workflow, which byok8s needs: "
            "use a version that byok8s names in its requirements."
        )


@contextmanager
def _replaced(owner: Any, values: Mapping[str, object]) -> Iterator[None]:
    before = {name: getattr_static(owner, name) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


def _cores(cores: int) -> property:
    """Tell the Snakefile of cores without a limit for its rules, which in Snakemake are one."""

    def known(workflow: Any) -> int:
        limit: int | None = workflow.resource_settings.cores
        return cores if limit is None or limit == NO_LIMIT else limit

    return property(known)


def _cache(of_storage: Callable[..., Any], of_folder: Callable[..., Any]) -> Callable[..., Any]:
    """With default storage Snakemake takes every place of the cache between workflows for one in a bucket."""
    return lambda provider: of_storage(provider) if "://" in os.environ.get(CACHE, "://") else of_folder()


def _scheduler(original: Any, planned: Callable[[DAG], None]) -> Callable[..., Any]:
    """The scheduler is made when all is planned, and before anything is run."""

    def scheduler(workflow: Any, *arguments: Any) -> Any:
        planned(workflow.dag)
        return adapted(original)(workflow, *arguments)

    return scheduler
