"""Writing records to the bucket: announced before, batched while jobs run, put together when there are many objects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from secrets import token_hex
from typing import Final

from byok8s.errors import BucketError
from byok8s.provenance.journal import Journal
from byok8s.provenance.line import Announced, Made, encode, packs
from byok8s.provenance.reading import Reading, name
from byok8s.s3.own import OwnObjects

EVERY_SECONDS: Final = 20.0
_GROWS_TO: Final = 1_000_000  # bytes of lines, until a new object is begun
_MOST_OBJECTS: Final = 16


class Writer:
    """What a run writes, as one generation of records. Any thread may call.

    reading: what was there before. warn: is told once when the bucket does not take it, which ends no run: the records
    are in the journal, and are sent later.
    """

    def __init__(
        self,
        objects: OwnObjects,
        journal: Journal,
        reading: Reading,
        run: str,
        warn: Callable[[str], None],
    ) -> None:
        self._objects, self._journal, self._reading, self._run, self._warn = (
            objects,
            journal,
            reading,
            run,
            warn,
        )
        unsent = journal.unsent()
        self.generation = max([reading.generation, *(made.generation for made in unsent)]) + 1
        self.since: float | None = None  # by the bucket's clock: what is older, this run has not made
        self._unsent = unsent
        self._unannounced: set[str] = set()
        self._announced: set[str] = set()
        self._announcements: list[str] = []  # objects of ours, as all the following
        self._held: list[bytes] = []  # the lines in the last object, which the next takes the place of
        self._last: list[str] = []
        self._full: list[str] = []
        self._failed = False
        self._lock = threading.Lock()  # of what waits; who ends a job does not wait for a request
        self._sending = threading.RLock()

    def announce(self, paths: Iterable[str]) -> None:
        """Say what is going to be made, before it is."""
        with self._lock:
            self._unannounced |= set(paths) - self._announced
        self.flush()

    def has_announced(self, path: str) -> bool:
        """Tell whether a file was announced, or is going to be."""
        with self._lock:
            return path in self._announced or path in self._unannounced

    def add(self, made: Made) -> None:
        """Send a record with the next ones."""
        with self._lock:
            self._journal.note(made)
            self._unsent.append(made)
            self._reading.view.take(made)

    def flush(self) -> bool:
        """Send what was not sent yet; return whether the bucket now has everything."""
        with self._sending:
            try:
                self._send_announcement()
                self._send_records()
            except BucketError as error:
                self._say_failed(error)
                return False
            return True

    def close(self, *, finished: bool) -> None:
        """Send the rest. finished: whether no job may still be at work; if one is, what was announced stays so."""
        with self._sending:
            if not self.flush():
                return
            try:
                if finished:
                    self._objects.remove(self._announcements)
                    self._announcements = []
                self._put_together()
            except BucketError as error:
                self._say_failed(error)

    def _send_announcement(self) -> None:
        with self._lock:
            paths = sorted(self._unannounced)
        lines = (encode(Announced(path, self.generation)) for path in paths)
        for pack in packs(lines):
            new = self._new_name()
            since = self._objects.write(new, pack)
            self._announcements.append(new)
            self.since = since if self.since is None else self.since
        with self._lock:
            self._announced.update(paths)
            self._unannounced.difference_update(paths)

    def _send_records(self) -> None:
        """Write the lines of the last object and the new ones to an object of another name; then remove the last.

        Nothing is ever written over: whoever puts objects together at this moment removes what he has read, no more.
        """
        with self._lock:
            unsent = list(self._unsent)
        if not unsent:
            return
        lines = [*self._held, *map(encode, unsent)]
        new = self._written(lines)
        self._objects.remove(self._last)
        with self._lock:
            self._unsent = self._unsent[len(unsent) :]
            self._journal.forget(len(unsent))
        if sum(map(len, lines)) > _GROWS_TO:
            self._full += new
            self._held, self._last = [], []
        else:
            self._held, self._last = lines, new

    def _written(self, lines: Iterable[bytes]) -> list[str]:
        """Write lines, and return the names of the objects."""
        names: list[str] = []
        for pack in packs(lines):
            names.append(self._new_name())
            self._objects.write(names[-1], pack)
        return names

    def _put_together(self) -> None:
        """Make few objects of many. What is removed was read, and is in those that were written before."""
        many = [*self._reading.names, *self._full, *self._last]
        if len(many) <= _MOST_OBJECTS:
            return
        contents = list(packs(map(encode, self._reading.view.lines())))
        if len(many) < 2 * len(contents):
            return
        for content in contents:
            self._objects.write(self._new_name(), content)
        self._objects.remove(many)
        self._full, self._last, self._held = [], [], []
        self._reading.names = []

    def _new_name(self) -> str:
        return name(self.generation, self._run, token_hex(8))

    def _say_failed(self, error: BucketError) -> None:
        if not self._failed:
            self._failed = True
            self._warn(
                f"How the files are made cannot be recorded in the bucket: {error} It is noted in this folder, and the "
                "next run from here sends it."
            )
