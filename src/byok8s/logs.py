"""The logs of a run's jobs, out of its record: in this folder, or in the bucket."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from byok8s import s3, tail
from byok8s.data import contents
from byok8s.errors import InputError
from byok8s.history import event
from byok8s.history.state import State, Try, fold
from byok8s.locks.folder import is_locked, last_holder
from byok8s.locks.heartbeat import EVERY_SECONDS
from byok8s.settings import Settings
from byok8s.workspace import walk

RUNS: Final = Path(".byok8s", "runs")
LOCK: Final = Path(".byok8s", "lock")
AT_WORK: Final = "at-work"  # of a run of plain Snakemake: a file that it keeps locked
LOGS: Final = "logs"
LOGS_ARCHIVE: Final = "logs.zip"  # of a bucket: the small ones of a run that has ended
NO_LOG: Final = "no log: it has printed nothing, or the record does not have it yet"
LINES: Final = 1000  # of a log, unless more are wanted
LINE_BYTES: Final = 200  # of a line, as far as it is read for them
LOOK_SECONDS: Final = 0.5
CHUNK_BYTES: Final = 1024 * 1024
LONGEST_LINE: Final = 500  # of the end of a log
ENDS_AT_ONCE: Final = 8
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


@dataclass(frozen=True)
class LoggedJob:
    """A job of a run. name: of its log. outcome: nothing while it is under way. files: its logs, within the record."""

    name: str
    id: str
    rule: str
    outcome: str
    why: str
    output: Sequence[str]
    files: Sequence[str]

    @property
    def failed(self) -> bool:
        return self.outcome == "failed"

    def is_named(self, what: str) -> bool:
        """Return whether this is a job's name or id, its rule, an output of it, or one of its log files."""
        logs = {file.removeprefix(f"logs/{self.name}/") for file in self.files}
        named = {
            self.name,
            f"{self.name}.log",
            self.id,
            self.id.partition("-")[0],
            self.rule,
            *self.output,
            *logs,
        }
        return what in named or any(what.endswith(f"/{file}") for file in self.files)


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


# -- which jobs --


class Jobs:
    """The jobs of a run that have begun in a pod, have failed or have logs, by its events: taken in as they come."""

    def __init__(self, of: Record) -> None:
        self._of, self._read = of, 0
        self._state = State()

    def look(self) -> list[LoggedJob]:
        """Return them in the order in which they ended, those under way last, as far as the events are whole."""
        files = self._of.files()
        size = files.get(event.FILE, 0)
        data = self._of.read(event.FILE, self._read, size) if size > self._read else b""
        data = data[: data.rfind(b"\n") + 1]
        self._read += len(data)
        for each in event.parsed(data):
            fold(self._state, each)
        return list(_jobs(self._state, files))


def _jobs(state: State, files: Mapping[str, int]) -> Iterator[LoggedJob]:
    logs: dict[str, list[str]] = {}
    for file in sorted(files):
        folder, _, name = file.partition("/")
        if folder == LOGS and (stem := name.partition("/")[0].removesuffix(".log").removesuffix(".events")):
            logs.setdefault(stem, []).append(file)
    for each in sorted(state.tries.values(), key=lambda each: each.ended or math.inf):
        if (found := logs.pop(each.name, [])) or each.pod or each.failed:
            yield _job(each, found)
    for name, found in logs.items():  # of a record without events
        yield _job(Try("", name=name, rule=name.partition("-")[0]), found)


def _job(of: Try, files: Sequence[str]) -> LoggedJob:
    # what it has printed, then the rule's own, which ends with what matters most
    files = sorted(files, key=lambda file: (file.count("/") > 1, file))
    return LoggedJob(of.name, of.id, of.rule, _outcome(of), of.why, of.outputs, files)


def _outcome(of: Try) -> str:
    return (
        "failed" if of.failed else {event.COMPLETE: "succeeded", event.CANCELED: "canceled"}.get(of.state, "")
    )


def jobs(of: Record) -> list[LoggedJob]:
    """Return the jobs of a run, without those that have run on its controller's machine and have no log."""
    return Jobs(of).look()


def chosen(of: Record, what: str | None, *, failed: bool) -> list[LoggedJob]:
    """Return the jobs that a word names, all without one. failed: of those the failed ones.

    Raises InputError for a word that names none.
    """
    found = [job for job in jobs(of) if what is None or job.is_named(what)]
    if what is not None and not found:
        raise _no_such_job(of, what)
    return [job for job in found if job.failed] if failed else found


def _no_such_job(of: Record, what: str) -> InputError:
    return InputError(
        f"Run {of.run} has no logs of {what!r}.",
        where=f"Its record is {of.place}.",
        hint="Name a rule, a job as `byok8s logs` lists it, or a file that a job makes.",
    )


# -- what they say --


def shown(of: Record, job: LoggedJob, most: int = LINES) -> Iterator[str]:
    """Yield a heading and the last lines of each of a job's logs."""
    files = of.files()
    if not job.files:
        yield f"== {_title(job)}: {NO_LOG}"
    for name in job.files:
        size = files[name]
        if not size and len(job.files) > 1:
            continue
        start = max(0, size - most * LINE_BYTES)
        rows = tail.lines(of.read(name, start, size), whole=start == 0)
        cut = start or len(rows) > most
        yield f"== {_title(job)}: {of.path(name)}" + (f" (the last lines of {size} bytes)" if cut else "")
        yield from rows[-most:]


def ends(of: Record, names: Sequence[str], most: int) -> dict[str, tuple[str, list[str]]]:
    """Return how the logs of some jobs end, as far as there are any: what log it is of, and its last lines.

    That is the rule's own log if it has one that says something, else the job's output without Snakemake's lines.
    names: of jobs. most: lines.
    """
    files = of.files()
    own = {name: [file for file in files if file.startswith(f"logs/{name}/")] for name in names}
    with ThreadPoolExecutor(ENDS_AT_ONCE) as threads:
        wanted = {
            name: [*sorted(own[name], reverse=True), *({f"logs/{name}.log"} & files.keys())] for name in names
        }
        found = threads.map(lambda name: _end(of, wanted[name], files, most), names)
        return {name: end for name, end in zip(names, found, strict=True) if end}


def _end(
    of: Record, candidates: Sequence[str], files: Mapping[str, int], most: int
) -> tuple[str, list[str]] | None:
    for file in candidates:
        start = max(0, files[file] - most * LINE_BYTES)
        rows = tail.without_frame(tail.lines(of.read(file, start, files[file]), whole=start == 0))
        if any(row.strip() for row in rows):
            return of.path(file), [row.rstrip()[:LONGEST_LINE] for row in rows[-most:]]
    return None


def _title(job: LoggedJob) -> str:
    return f"{job.name} {job.outcome or 'under way'}" + (f", {job.why}" if job.why else "")


def listed(found: Sequence[LoggedJob]) -> list[str]:
    """Return a line a job: how it is, and its name."""
    width = max((len(job.outcome or "under way") for job in found), default=0)
    return [
        f"{job.outcome or 'under way':<{width}}  {job.name}" + (f"  {job.why}" if job.why else "")
        for job in found
    ]


def follow(
    of: Record, what: str | None, tell: Callable[[str], None], *, failed: bool, most: int = LINES
) -> None:
    """Tell what logs say, and what they say from now on, until the run has ended."""
    follower, all_ = _Follower(of, tell, most * LINE_BYTES), Jobs(of)
    while True:
        over = not is_alive(of.run)  # before what is read for the last time
        found = [job for job in all_.look() if what is None or job.is_named(what)]
        if over and what is not None and not found:
            raise _no_such_job(of, what)
        for job in found:
            if job.failed or not failed:
                follower.read(job)
        if over:
            follower.end()
            return
        time.sleep(LOOK_SECONDS)


class _Follower:
    """Tells the lines of logs, each once it is whole. most: bytes of what was there before are told."""

    def __init__(self, of: Record, tell: Callable[[str], None], most: int) -> None:
        self._of, self._tell, self._most = of, tell, most
        self._at: dict[str, int] = {}  # how far each has been read
        self._rest: dict[tuple[str, str], bytes] = {}  # by job and file: the beginning of a line
        self._last = ""

    def read(self, job: LoggedJob) -> None:
        """Tell what a job's logs say that was not told yet."""
        sizes = self._of.files()
        for name in job.files:
            at = self._at.setdefault(name, max(0, sizes.get(name, 0) - self._most))
            while data := self._of.read(name, at, at + CHUNK_BYTES):
                at = self._at[name] = at + len(data)
                *whole, rest = (self._rest.get((job.name, name), b"") + data).split(b"\n")
                self._rest[job.name, name] = rest
                self._say(job.name, name, whole)

    def end(self) -> None:
        """Tell the lines that have no end."""
        for (job, name), rest in self._rest.items():
            self._say(job, name, [rest] if rest else [])

    def _say(self, job: str, name: str, rows: Sequence[bytes]) -> None:
        if rows and self._last != name:
            self._tell(f"== {job}: {self._of.path(name)}")
            self._last = name
        for row in rows:
            self._tell(row.decode(errors="replace"))


def is_alive(run: str) -> bool:
    """Return whether a controller of this folder is at work on a run."""
    if is_locked(RUNS / run / AT_WORK):
        return True
    holder = last_holder(LOCK)
    if holder is None or holder.run != run or holder.ended or holder.is_gone():
        return False
    return datetime.now(UTC) - holder.heard < timedelta(seconds=4 * EVERY_SECONDS)
