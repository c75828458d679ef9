"""What a job has taken: how long each of its phases, and how much of the machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field, fields, replace
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage, struct_rusage
from typing import Any, Final, Self

FILE: Final = "phases"
_COUNT: Final = "/proc/self/io"
_MOST_BYTES: Final = 4096
PHASES: Final = ("fetch", "run", "store")
_AWAY: Final = "s3_away"
_LONGEST_WHY: Final = 200
_APART: Final = "apart-"  # with the number of a process: what that has used
BYTES: Final = ("fetched_bytes", "cached_bytes", "stored_bytes")


@dataclass(frozen=True)
class Measured:
    """None for what is not known. fetch, run, store: seconds by the clock of the job's own node.

    max_rss, cpu_time, io_in, io_out: by the names of Snakemake's benchmarks: MB that the job's processes had at once,
    at least those of the largest; seconds of a processor that all of them have used; MB that disks gave to them and got
    of them, as the kernel counts it: what memory has already is read from no disk. fetched_bytes, cached_bytes,
    stored_bytes: of the job's files those that came from the bucket, that its worker or a claim had kept of an earlier
    job, and that went to the bucket.
    """

    fetch: float | None = None
    run: float | None = None
    store: float | None = None
    max_rss: float | None = None
    cpu_time: float | None = None
    io_in: float | None = None
    io_out: float | None = None
    fetched_bytes: int | None = None
    cached_bytes: int | None = None
    stored_bytes: int | None = None

    def moved(self) -> dict[str, int]:
        """Return how many bytes went which way, as far as it is known."""
        return {name: count for name in BYTES if (count := getattr(self, name)) is not None}

    def phases(self) -> Iterator[tuple[str, float]]:
        """Yield the phases that are over, and how many seconds each took."""
        for name in PHASES:
            if (seconds := getattr(self, name)) is not None:
                yield name, seconds


UNKNOWN: Final = Measured()
NAMES: Final = tuple(field.name for field in fields(Measured))


@dataclass(frozen=True)
class Phases:
    """Notes how long each phase takes and what it moves, in a file that is there also when the job's process is killed.

    None: nowhere.
    """

    file: Path | None = field(default=None)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Note how long this takes, whatever becomes of it."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.note({phase: round(time.monotonic() - start, 3)})

    def note(self, facts: Mapping[str, object]) -> None:
        """Note facts by their names in Measured; a later one counts."""
        if self.file:
            with suppress(OSError), self.file.open("a") as file:
                file.write(json.dumps(facts) + "\n")

    def note_outage(self, why: str) -> None:
        """Note that S3 is away, or that it is not any more, of which there is no why."""
        self.note({_AWAY: why})


NOWHERE: Final = Phases()


class Disks:
    """The bytes that disks have moved for this process and for those that it has waited for.

    The kernel adds those of a process to its parent's, as it does with the time of processors. A process that nobody
    may look into cannot open its own count either, so it is opened before that.
    """

    def __init__(self) -> None:
        self._file = -1
        with suppress(OSError):  # not Linux, or a kernel that does not count
            self._file = os.open(_COUNT, os.O_RDONLY | os.O_CLOEXEC)

    def moved(self) -> tuple[int, int] | None:
        """Return how many bytes were read and written so far; None if nobody counts."""
        with suppress(OSError, ValueError, KeyError):
            rows = (row.split(b":") for row in os.pread(self._file, _MOST_BYTES, 0).splitlines())
            count = {name: int(value) for name, value in rows}
            return count[b"read_bytes"], count[b"write_bytes"]
        return None


@dataclass(frozen=True)
class Used:
    """What processes have used. max_rss: MB. cpu_time: seconds. moved: bytes from and to disks, None if unknown."""

    max_rss: float
    cpu_time: float
    moved: tuple[int, int] | None

    @classmethod
    def of(cls, moved: tuple[int, int] | None, *usages: struct_rusage) -> Self:
        """Return what was used according to the kernel: by the largest, and by all together."""
        cpu_time = sum(usage.ru_utime + usage.ru_stime for usage in usages)
        return cls(max(usage.ru_maxrss for usage in usages) / 1024, cpu_time, moved)

    def with_all(self, together: int) -> Used:
        """Return the same, with the bytes that all processes had together at some time if that is more."""
        return replace(self, max_rss=max(self.max_rss, together / 1024 / 1024))

    def joined(self, other: Used) -> Used:
        moved = None
        if self.moved and other.moved:
            moved = self.moved[0] + other.moved[0], self.moved[1] + other.moved[1]
        return Used(max(self.max_rss, other.max_rss), self.cpu_time + other.cpu_time, moved)


def waited(pid: int, disks: Disks) -> tuple[int, Used]:
    """Wait for a process. Returns its status and what it has used."""
    before = disks.moved()
    _, status, usage = os.wait4(pid, 0)
    after = disks.moved()
    moved = (after[0] - before[0], after[1] - before[1]) if before and after else None
    return status, Used.of(moved, usage)


def note_apart(file: Path) -> None:
    """Note what this process has used, which works for a job and is waited for by none of its processes."""
    used = Used.of(Disks().moved(), *map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN)))
    Phases(file).note({f"{_APART}{os.getpid()}": astuple(used)})


def measured(file: Path, used: Used) -> Measured:
    """Return what a job has taken that has ended. file: of its phases. used: by what its worker has waited for."""
    for other in _apart(_noted(file)):
        used = used.joined(other)
    io_in, io_out = (round(count / 1024 / 1024, 4) for count in used.moved) if used.moved else (None, None)
    return replace(
        over(file),
        max_rss=round(used.max_rss, 2),
        cpu_time=round(used.cpu_time, 2),
        io_in=io_in,
        io_out=io_out,
    )


def _apart(noted: Mapping[str, object]) -> Iterator[Used]:
    """Yield what was noted apart, as far as it can be: a job may have written anything."""
    for name, value in noted.items():
        if name.startswith(_APART) and (found := _used(value)):
            yield found


def _used(value: object) -> Used | None:
    match value:
        case [int() | float() as max_rss, int() | float() as cpu_time, [int() as read, int() as written]]:
            found = Used(max_rss, cpu_time, (read, written))
        case [int() | float() as max_rss, int() | float() as cpu_time, None]:
            found = Used(max_rss, cpu_time, None)
        case _:
            return None
    numbers = (found.max_rss, found.cpu_time, *(found.moved or ()))
    return found if all(0 <= number < float("inf") for number in numbers) else None


def over(file: Path) -> Measured:
    """Return the phases that a job has behind it, and what they have moved.

    It may have put anything there, but this waits for nothing.
    """
    found = _noted(file)
    return from_json({name: found.get(name) for name in (*PHASES, *BYTES)})


def outage(file: Path) -> str:
    """Return why the S3 server is away that a job waits for; nothing if it waits for none."""
    return str(_noted(file).get(_AWAY, ""))[:_LONGEST_WHY]


def _noted(file: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    with suppress(OSError, ValueError, TypeError, RecursionError):
        for row in _beginning(file).splitlines():
            found |= json.loads(row)
    return found


def _beginning(file: Path) -> bytes:
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        return os.read(fd, _MOST_BYTES)
    finally:
        os.close(fd)


def from_json(found: object) -> Measured:
    """Return what JSON says, as far as it is numbers: a job may write anything."""
    values = found if isinstance(found, dict) else {}
    numbers: dict[str, Any] = {
        name: int(value) if name in BYTES else float(value)
        for name in NAMES
        if isinstance(value := values.get(name), int | float) and 0 <= value < float("inf")
    }
    return Measured(**numbers)
