"""The logs of a run's jobs, out of its record."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from byok8s import tail
from byok8s.errors import InputError
from byok8s.history import event
from byok8s.history.state import State, Try, fold_lines
from byok8s.run_record import LOGS, Record, is_alive

NO_LOG: Final = "no log: it has printed nothing, or the record does not have it yet"
LINES: Final = 1000  # of a log, unless more are wanted
LINE_BYTES: Final = 200  # of a line, as far as it is read for them
LOOK_SECONDS: Final = 0.5
CHUNK_BYTES: Final = 1024 * 1024
LONGEST_LINE: Final = 500  # of the end of a log
ENDS_AT_ONCE: Final = 8


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
        self._read += fold_lines(self._state, data)
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
