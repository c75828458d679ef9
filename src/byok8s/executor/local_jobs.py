"""Jobs that fail on this machine, told and recorded in the same words as those in pods."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from byok8s import compat
from byok8s.executor.log_files import LogFiles
from byok8s.fleet.record import Record
from byok8s.jobs import tasks
from byok8s.pods.cause import named
from byok8s.pods.manifest import Task
from byok8s.pods.outcome import Outcome, State
from byok8s.worker.failure import of_exit_code

if TYPE_CHECKING:
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

CHUNK_CHARACTERS: Final = 64 * 1024


def reporting(original: Callable[..., None], record: Record) -> Callable[..., None]:
    """Return Snakemake's `report_job_error`, with a reason and the last lines of the rule's log."""

    def report(self: Any, job_info: Any, msg: str | None = None, **more: object) -> None:
        if msg is None and not job_info.job.is_group():  # of a group Snakemake drops what it is told
            msg = words(job_info.job, sys.exception(), record)  # it is reported while its error is handled
        original(self, job_info, msg, **more)

    return report


def retrying(original: Callable[..., None]) -> Callable[..., None]:
    """Return Snakemake's `handle_job_error`, which counts a job that has another try as waiting."""

    def handle(self: Any, job: Any) -> None:
        compat.count_as_waiting(job)
        original(self, job)

    return handle


def announcing(original: Callable[..., None], record: Record, files: LogFiles) -> Callable[..., None]:
    """Return Snakemake's `printjob`, of whose jobs the logs are those in the record."""

    def printjob(self: Any, job: JobExecutorInterface) -> None:
        for member in _members(job):
            task = tasks.here(member)
            files.give(member.jobid, [record.file(task, path) for path in task.logs])
        original(self, job)

    return printjob


def beginning(original: Callable[..., None], record: Record) -> Callable[..., None]:
    """Return Snakemake's `run_job`, which notes that a job begins here."""

    def run_job(self: Any, job: JobExecutorInterface) -> None:
        for member in _members(job):
            task = tasks.here(member)
            record.given(task)
            record.began(task, "")
        original(self, job)

    return run_job


def ending(original: Callable[..., None], record: Record, files: LogFiles) -> Callable[..., None]:
    """Return Snakemake's `report_job_success`, which notes that a job has ended well here, and keeps its logs.

    Snakemake moves them to the bucket then.
    """

    def report(self: Any, job_info: Any) -> None:
        for member in _members(job_info.job):
            task = tasks.here(member)
            keep_logs(task, record)
            record.succeeded_here(task)
            files.forget([member.jobid])
        original(self, job_info)

    return report


def _members(job: Any) -> Iterator[JobExecutorInterface]:
    yield from job.jobs if job.is_group() else [job]


def words(job: JobExecutorInterface, error: BaseException | None, record: Record) -> str:
    """Return what is said of a failed job, of which the record then has the logs."""
    task, found = tasks.here(job), _outcome(error)
    keep_logs(task, record)
    record.ended(task, "", found)
    said = record.said(task)
    return found.words("", said, record.log(task).stem if said else "")


def keep_logs(task: Task, record: Record) -> None:
    """Copy a job's own log files into the record."""
    for path in task.logs:
        with suppress(OSError), Path(path).open(encoding="utf-8", errors="replace") as log:
            record.add_file(task, path, iter(partial(log.read, CHUNK_CHARACTERS), ""), first=True)


def _outcome(error: BaseException | None) -> Outcome:
    from snakemake.exceptions import SpawnedJobError

    if not isinstance(error, SpawnedJobError):  # whose process has said itself what was wrong
        for cause in _causes(error):
            if isinstance(cause, subprocess.CalledProcessError):
                failure = of_exit_code(cause.returncode, str(cause.cmd))
                return Outcome(State.FAILED, failure.why, cause=named(failure.cause), exit=failure.code)
    return Outcome(State.FAILED, "its error is said above")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
