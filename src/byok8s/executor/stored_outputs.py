"""What the ends of jobs tell of the bucket: it is learned, so that nobody asks S3 for what is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError

from byok8s import compat
from byok8s.jobs.job_files import files_of
from byok8s.jobs.keep import Kept
from byok8s.pods.cause import Cause
from byok8s.pods.outcome import Outcome, State

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake_interface_executor_plugins.jobs import GroupJobExecutorInterface, JobExecutorInterface

    from snakemake_storage_plugin_byok8s import StorageProvider


class StoredOutputs:
    """provider: Snakemake's storage, which remembers what it is told. kept: knows what rules keep undeclared."""

    def __init__(self, provider: StorageProvider, kept: Kept) -> None:
        self._provider, self._kept = provider, kept

    def learn(self, job: JobExecutorInterface, found: Outcome) -> Outcome:
        """Note what a job has stored, which so need not be asked for; what it does not speak of must be there."""
        files = {(file.storage_object.bucket, file.storage_object.key): file for file in _stored_files(job)}
        for file in files.values():
            self._provider.forget(file.storage_object)
        told = {(stored.bucket, stored.key): stored for stored in found.stored}
        for place in told.keys() & files.keys():  # a job may say what it likes, but only of its own files
            stored = told[place]
            self._provider.learn(stored.bucket, stored.key, stored.mtime, stored.size, stored.directory)
        for stored in self._kept.learn(members([job]), found.stored):
            self._provider.learn(stored.bucket, stored.key, stored.mtime, stored.size)
        try:
            missing = [
                f.storage_object.query for place, f in files.items() if place not in told and not _is_there(f)
            ]
        except WorkflowError as error:
            return replace(
                found, state=State.FAILED, why=f"it ended well, but {error}", cause=Cause.S3_UNREACHABLE
            )
        if missing:
            why = f"it ended well, but S3 has no {missing[0]}"
            return replace(found, state=State.FAILED, why=why, cause=Cause.MISSING_OUTPUT)
        return found

    def done_members(self, group: GroupJobExecutorInterface, found: Outcome) -> list[Job]:
        """Return the members of a failed group whose outputs are all stored, and note what is known of them."""
        told = {(stored.bucket, stored.key) for stored in found.stored}
        levels = compat.levels_of(group)
        done = [job for level in levels for job in level if _is_stored(job, told)]
        for job in done:
            self.learn(job, found)
        return done


def members(jobs: Iterable[JobExecutorInterface]) -> Iterator[Job]:
    """Yield jobs that are no groups, and the members of those that are."""
    for job in jobs:
        yield from job.jobs if job.is_group() else [job]


def ids(job: JobExecutorInterface) -> list[int]:
    """Return Snakemake's ids of the members of a group, else of the job itself."""
    return [member.jobid for member in members([job])]


def _is_there(file: Any) -> bool:
    """Return whether a file is in the bucket, or need not be: temporary files of a group stay in its pod."""
    return bool(file.flags.get("temp")) or file.storage_object.exists()


def _is_stored(job: Job, told: Collection[tuple[str, str]]) -> bool:
    """Return whether all outputs of a member are in the bucket. told: bucket and key of what is."""
    outputs = {
        (file.storage_object.bucket, file.storage_object.key): file.flags.get("temp")
        for file in _stored_files(job)
        if file not in job.log
    }
    # temporary files stay in the pod, unless others want them, too: then they are stored with the rest
    return any(place in told for place in outputs) and all(
        place in told or temp for place, temp in outputs.items()
    )


def _stored_files(job: JobExecutorInterface) -> list[Any]:
    """Return the files of a job, or of a group's members, that are in our storage."""
    files = [file for each in members([job]) for kind, file in files_of(each) if kind != "input"]
    return [
        file
        for file in files
        if file.is_storage
        and hasattr(file.storage_object.provider, "learn")
        and not any(file.flags.get(name) for name in ("pipe", "service"))
    ]
