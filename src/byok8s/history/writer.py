"""Writes a run's events, from whatever thread learns of one."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from byok8s.history.event import Event, line, milliseconds, parsed

_TAIL_BYTES: Final = 64 * 1024


class History:
    """A file of events, of which each is written at once with one call, and none is forced onto the disk.

    A controller that goes on with a run adds to what the one before it has written. on_trouble: is told once of a disk
    that takes no more. urgent: is set when there is an event for which nobody should wait. any_urgent: whether there
    has been one, or what is as bad and no event. totals: of what was counted, since this process began. clock: returns
    the milliseconds since 1970.
    """

    def __init__(self, path: Path, on_trouble: Callable[[str], None]) -> None:
        self.path = path
        self.urgent = threading.Event()
        self.any_urgent = False
        self.totals = Counter[str]()
        self.clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        self._on_trouble = on_trouble
        self._hearers: list[Callable[[Event], None]] = []
        self._lock = threading.Lock()
        self._file = -1
        self._last = 0  # the time of the last event, in milliseconds
        self._over = False

    @property
    def begun(self) -> bool:
        """Whether this process has noted an event."""
        return self._file >= 0

    def note(self, name: str, facts: Mapping[str, object], *, urgent: bool = False) -> None:
        """Note an event. No event is earlier than the one before it, whatever becomes of the clock."""
        with self._lock:
            self._attempt(self._open)
            self._last = max(self._last, self.clock())
            row = line(self._last, name, facts)
            self._attempt(lambda: os.write(self._file, row))
        if urgent:
            self.any_urgent = True
            self.urgent.set()
        for event in parsed(row) if self._hearers else ():
            for hear in self._hearers:
                hear(event)

    @contextmanager
    def heard(self, hear: Callable[[Event], None]) -> Iterator[None]:
        """Have each event told, once it is noted, by the thread that notes it: those of a job in their order."""
        self._hearers.append(hear)
        try:
            yield
        finally:
            self._hearers.remove(hear)

    def count(self, numbers: Mapping[str, int]) -> None:
        """Add to the totals."""
        with self._lock:
            self.totals.update(numbers)

    def close(self) -> None:
        """Let go of the file. What comes after that is not noted."""
        with self._lock:
            self._over = True
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
        _OPEN.pop(self.path, None)

    def _attempt(self, write: Callable[[], object]) -> None:
        """Do what the disk may not take, and nothing any more once it has not taken something."""
        if self._over:
            return
        try:
            write()
        except OSError as error:
            self._over = True
            self._on_trouble(f"The record of events in {self.path} is not complete: {error}.")

    def _open(self) -> None:
        if self._file >= 0:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        self._last = max((milliseconds(event) or 0 for event in parsed(tail)), default=0)
        if tail and not tail.endswith(b"\n"):  # a disk was full, or its machine has lost power
            os.write(self._file, b"\n")


_OPEN: dict[Path, History] = {}  # a process has one writer for each file, whoever wants to write


def open_path() -> Path | None:
    """Return where this process writes the events of a run; None if it does not."""
    return next(iter(_OPEN), None)


def history(path: Path, on_trouble: Callable[[str], None]) -> History:
    """Return the writer of the file at an absolute path."""
    return _OPEN.setdefault(path, History(path, on_trouble))
