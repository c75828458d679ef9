"""Where the record of a run is: in the folder in which it was started, or in the bucket."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from byok8s import s3
from byok8s.data import contents
from byok8s.errors import InputError
from byok8s.history import event
from byok8s.locks.folder import is_locked, last_holder
from byok8s.locks.heartbeat import EVERY_SECONDS
from byok8s.settings import Settings
from byok8s.workspace import walk

RUNS: Final = Path(".byok8s", "runs")
LOCK: Final = Path(".byok8s", "lock")
AT_WORK: Final = "at-work"  # of a run of plain Snakemake: a file that it keeps locked
LOGS: Final = "logs"
LOGS_ARCHIVE: Final = "logs.zip"  # of a bucket: the small ones of a run that has ended
RUN: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


class Record(Protocol):
    """A run's record. run: its id. place: where it is."""

    run: str
    place: str

    def files(self) -> Mapping[str, int]:
        """Return the sizes of its files, by their paths within it."""

    def size(self, name: str) -> int:
        """Return the size of a file, 0 if there is none."""

    def read(self, name: str, start: int, end: int) -> bytes:
        """Return the bytes of a file from start to before end, and fewer if there are fewer."""

    def path(self, name: str) -> str:
        """Return where a file is."""


class InFolder:
    """The record in the folder in which the run was started."""

    def __init__(self, run: str) -> None:
        self.run, self._folder = run, RUNS / run
        self.place = str(self._folder)

    def files(self) -> dict[str, int]:
        return {
            path.relative_to(self._folder).as_posix(): status.st_size
            for path, status in walk.files(self._folder)
        }

    def size(self, name: str) -> int:
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, name: str, start: int, end: int) -> bytes:
        try:
            with (self._folder / name).open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        except OSError as error:
            raise InputError("A log cannot be read.", where=str(error)) from error

    def path(self, name: str) -> str:
        return f"{self.place}/{name}"


class InBucket:
    """The record that a run has put into the bucket. sizes: of the objects, by their names below the record's."""

    def __init__(self, bucket: s3.Bucket, run: str, sizes: Mapping[str, int]) -> None:
        self.run, self._bucket, self._sizes = run, bucket, sizes
        self._top = f"{bucket.prefix}/{RUNS.as_posix()}/{run}/".lstrip("/")
        self.place = f"s3://{bucket.name}/{self._top}"

    @cached_property
    def _client(self) -> s3.S3Client:
        return s3.connect(self._bucket.endpoint_url)

    @cached_property
    def _small_logs(self) -> s3.Archive | None:
        """The archive of small logs; None while the run goes on."""
        if LOGS_ARCHIVE not in self._sizes:
            return None
        key = f"{RUNS.as_posix()}/{self.run}/{LOGS_ARCHIVE}"
        return s3.Archive(self._client, self._bucket, key, self._sizes[LOGS_ARCHIVE])

    def _archived(self, name: str) -> s3.Archive | None:
        """Return the archive if it has a file, which may also be there by itself, from before the run's end."""
        found = self._small_logs if name.startswith(f"{LOGS}/") else None
        return found if found and name in found.sizes else None

    @cached_property
    def _files(self) -> Mapping[str, int]:
        return {**self._sizes, **(self._small_logs.sizes if self._small_logs else {})}

    def has(self, part: str) -> bool:
        """Return whether it has a file or folder, or anything if that is ""."""
        names = {name.partition("/")[0] for name in self._sizes} | self._sizes.keys()
        return part in names or (LOGS_ARCHIVE in names if part == LOGS else not part and bool(names))

    def files(self) -> Mapping[str, int]:
        return self._files

    def size(self, name: str) -> int:
        return self._sizes.get(name, 0)

    def path(self, name: str) -> str:
        return f"{self.place}{f'{LOGS_ARCHIVE}/' if self._archived(name) else ''}{name}"

    def read(self, name: str, start: int, end: int) -> bytes:
        if archive := self._archived(name):
            return archive.read(name, start, end)
        if start >= min(end, self._sizes[name]):
            return b""
        answer = self._client.get_object(
            Bucket=self._bucket.name, Key=self._top + name, Range=f"bytes={start}-{end - 1}"
        )
        return answer["Body"].read()


# -- which run --


def record(run: str | None, said: Settings, part: str = event.FILE) -> Record:
    """Return the record of a run, without its id that of the newest one: in this folder, else in the bucket.

    said: where the bucket is, if flags say it. part: the file or folder that it must have if it is the newest. Raises
    InputError if there is no such run, BucketError for a bucket that cannot be used.
    """
    here = here_with(part)
    if (run or not names_another_bucket(said)) and (run is None or (RUNS / run).is_dir()) and (run or here):
        return InFolder(run or here[-1])
    bucket = contents.place(said)
    s3.check_bucket(bucket)
    for each in [run] if run else reversed(ids_in(bucket)):
        found = in_bucket(bucket, each)
        if found.has("" if run else part):
            return found
    raise InputError(
        f"There is no record of {f'run {run}' if run else 'any run'} in this folder, nor in {bucket.url}.",
        hint="A run's record is in .byok8s/runs/RUN/, and in the bucket as soon as the run has a job.",
    )


def names_another_bucket(said: Settings) -> bool:
    """Return whether a flag names a bucket, and not that of the last run in this folder.

    One that the environment names for all folders does not hide this folder's own record.
    """
    if said.s3_bucket in {None, "", os.environ.get("BYOK8S_S3_BUCKET")}:
        return False
    last = last_holder(LOCK)
    return not (last and last.place.bucket == contents.place(said).url)


def here_with(part: str) -> list[str]:
    """Return the runs of this folder whose record has a file or folder, the oldest first."""
    return sorted(path.parent.name for path in RUNS.glob(f"*/{part}"))


def is_run(word: str) -> bool:
    """Return whether a word is the id of a run."""
    return bool(RUN.fullmatch(word)) or (
        word not in {"", ".", ".."} and "/" not in word and (RUNS / word).is_dir()
    )


def ids_in(bucket: s3.Bucket) -> list[str]:
    """Return the ids of the runs whose records a bucket has, the oldest first."""
    top = f"{bucket.prefix}/{RUNS.as_posix()}/".lstrip("/")
    pages = s3.connect(bucket.endpoint_url).get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=bucket.name, Prefix=top, Delimiter="/")
    prefixes = [each["Prefix"] for page in found for each in page.get("CommonPrefixes", [])]
    return sorted(prefix.removeprefix(top).rstrip("/") for prefix in prefixes)


def in_bucket(bucket: s3.Bucket, run: str, part: str = "") -> InBucket:
    """Return the record of a run in a bucket, which has no files if there is none. part: all that is wanted of it."""
    top = f"{bucket.prefix}/{RUNS.as_posix()}/{run}/".lstrip("/")
    pages = s3.connect(bucket.endpoint_url).get_paginator("list_objects_v2")
    found = (
        each
        for page in pages.paginate(Bucket=bucket.name, Prefix=top + part)
        for each in page.get("Contents", [])
    )
    return InBucket(bucket, run, {each["Key"].removeprefix(top): each["Size"] for each in found})


def is_alive(run: str) -> bool:
    """Return whether a controller of this folder is at work on a run."""
    if is_locked(RUNS / run / AT_WORK):
        return True
    holder = last_holder(LOCK)
    if holder is None or holder.run != run or holder.ended or holder.is_gone():
        return False
    return datetime.now(UTC) - holder.heard < timedelta(seconds=4 * EVERY_SECONDS)
