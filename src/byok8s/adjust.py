"""What a run of the byok8s command changes in Snakemake, for as long as it takes. `snakemake` alone has none of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib import metadata
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError

from byok8s.executor import here
from byok8s.executor.record import Record
from byok8s.provenance import persistence
from byok8s.provenance.persistence import Records
from snakemake_scheduler_plugin_byok8s.compat import queued

if TYPE_CHECKING:
    from snakemake.dag import DAG

NO_LIMIT = 1_000_000  # of threads: without one a dry run has a limit of 1, and shows every job with that
CACHE = "SNAKEMAKE_OUTPUT_CACHE"


@contextmanager
def adjusted(
    cores: int,
    planned: Callable[[DAG], None],
    record: Record | None = None,
    provenance: Records | None = None,
) -> Iterator[None]:
    """Have Snakemake do what byok8s needs.

    cores: what the Snakefile knows as workflow.cores, unless --cores says it. planned: is called once the DAG is known,
    before anything is done. record: of the run, for jobs that fail on this machine. provenance: the bucket's records of
    how files were made. Raises WorkflowError for a Snakemake that has other names.
    """
    from snakemake import workflow
    from snakemake.executors import local

    _check(workflow)
    reports = {"report_job_error": here.reporting(local.Executor.report_job_error, record)} if record else {}
    with (
        _replaced(workflow.Workflow, {"cores": _cores(cores)}),
        _replaced(local.Executor, reports),
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
    before = {name: getattr(owner, name) for name in values}
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
        return queued(original)(workflow, *arguments)

    return scheduler
