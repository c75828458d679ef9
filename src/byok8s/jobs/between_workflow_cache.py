"""The cache between workflows (--cache): jobs of pods take from it and fill it by way of this machine.

It is Snakemake's own, with its keys: whether a job runs here, in a pod or without byok8s is the same to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

Done = Callable[["bool | Exception"], None]
AT_ONCE: Final = 4  # jobs; the files of each go many at once


class BetweenWorkflowCache:
    """The cache as one run uses it. Its jobs are looked up and stored in threads of their own, as others go on."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cache")

    def is_for(self, job: JobExecutorInterface) -> bool:
        """Return whether a job's outputs belong into the cache. The members of a group are not looked up."""
        return not job.is_group() and is_cached(job) and self._workflow.output_file_cache is not None

    def take(self, job: Job, done: Done) -> None:
        """Have the outputs in the bucket if the cache has them; tell whether it has, or what was wrong."""
        self._threads.submit(self._do, _take, job, done)

    def fill(self, job: Job, done: Done) -> None:
        """Have in the cache what a job has stored in the bucket; tell that it has, or what was wrong."""
        self._threads.submit(self._do, _fill, job, done)

    def _do(self, action: Callable[[Job], Coroutine[Any, Any, bool]], job: Job, done: Done) -> None:
        try:
            try:
                found: bool | Exception = self._workflow.async_run(action(job))
            except Exception as error:  # noqa: BLE001 - of the cache: the job fails, and no other
                found = error
            done(found)
        except Exception as error:  # noqa: BLE001 - a job that is not reported would be waited for without end
            self._workflow.scheduler.executor_error_callback(error)


def is_cached(job: JobExecutorInterface) -> bool:
    """Return whether a job's rule is one whose outputs are kept between workflows."""
    return bool(job.rule.cache and job.rule.cache.output)


async def _take(job: Job) -> bool:
    from snakemake.exceptions import CacheMissException

    with _passing(job.output):
        for file in job.output:
            file.prepare()
        try:
            await job.rule.cache.fetch(job)
        except CacheMissException:
            return False
        await _each(file.storage_object.managed_store() for file in job.output)
    return True


async def _fill(job: Job) -> bool:
    with _passing(job.output):
        await _each(file.storage_object.managed_retrieve() for file in job.output)
        await job.rule.cache.store(job)
    return True


async def _each(actions: Iterable[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*actions)


@contextmanager
def _passing(files: Iterable[Any]) -> Iterator[None]:
    """Leave nothing here of files that are only passing through: the bucket has them."""
    objects = [file.storage_object for file in files]
    try:
        yield
    finally:
        for each in objects:
            if workspace := each.provider.workspace:
                workspace.forget(each)
                workspace.remove_local(each)
