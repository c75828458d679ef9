"""What a run knows of how the files in its bucket were made, and adds to that."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from byok8s.errors import BucketError
from byok8s.locks.heartbeat import beating
from byok8s.provenance.journal import Journal
from byok8s.provenance.line import Made, Stored
from byok8s.provenance.reading import Reading, read
from byok8s.provenance.view import View
from byok8s.provenance.writer import EVERY_SECONDS, Writer
from byok8s.s3.client import Bucket
from byok8s.s3.own import OwnObjects

UNDER: Final = ".byok8s/records"
_ROOT: Final = (
    "\\u0000root"  # in JSON, for the folder that Snakemake works in: it is another on another machine
)


@dataclass(frozen=True)
class Known:
    """What the bucket tells of how a file was made. record: Snakemake's. script, software: "" if they are not told."""

    record: Mapping[str, object]
    generation: int
    ended: float
    script: str
    software: str


class Book:
    """Of one bucket and prefix. writer: None for a run that only plans. root: the folder of the workspace."""

    def __init__(self, url: str, view: View, writer: Writer | None, root: Path) -> None:
        self._top = f"{url}/"
        self._view, self._writer = view, writer
        self._root = json.dumps(str(root), ensure_ascii=False)[1:-1]
        self._own: set[str] = (
            set()
        )  # what this run has begun to make: of that Snakemake's own notes are right
        self._at_work: set[str] = set()
        self._known = lru_cache(maxsize=256)(self._parse)  # Snakemake asks some ten times in a row

    def path(self, query: str) -> str | None:
        """Return the path of a file below the prefix; None for one of another place."""
        return query.removeprefix(self._top) if query.startswith(self._top) else None

    def known(self, query: str) -> Known | None:
        """Return what the bucket tells of a file, unless this run makes it."""
        path = self.path(query)
        return self._known(path) if path and path not in self._own else None

    def _parse(self, path: str) -> Known | None:
        made = self._view.made(path)
        if made is None:
            return None
        text = bytes(made.record).decode(errors="replace").replace(_ROOT, self._root)
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(text)
            if isinstance(record, dict):
                return Known(record, made.generation, made.ended, made.script, made.software)
        return None

    def governs(self, query: str) -> bool:
        """Tell whether the bucket's word counts on whether a file is complete, and not this folder's."""
        path = self.path(query)
        return path is not None and path not in self._own and self._view.knows(path)

    def is_in_doubt(self, query: str, there: Callable[[str], Stored | None]) -> bool:
        """Tell whether the record of what is in the bucket may have been lost. there: returns what that is."""
        path = self.path(query)
        if path is None or path in self._own or not self._view.may_be_in_doubt(path):
            return False
        return self._view.is_in_doubt(path, there(query))

    def announce(self, queries: Iterable[str]) -> None:
        """Say what this run is going to make, before it begins with it."""
        paths = {path for path in map(self.path, queries) if path}
        if self._writer and paths:
            self._writer.announce(paths)

    def begun(self, queries: Iterable[str]) -> bool:
        """Note that a job begins that makes these; return whether they were announced."""
        paths = {path for path in map(self.path, queries) if path}
        self._own |= paths
        self._at_work |= paths
        return self._writer is None or all(map(self._writer.has_announced, paths))

    def ended(self, query: str) -> None:
        """Note that the job which makes a file has come to its end."""
        self._at_work.discard(self.path(query) or "")

    def made(
        self, query: str, record: Mapping[str, object], stored: Stored | None, script: str, software: str
    ) -> None:
        """Record how a file was made. What is older than the run was not made by it: its job has failed."""
        path, writer = self.path(query), self._writer
        if path is None or writer is None or stored is None:
            return
        if writer.since is not None and stored.mtime < int(writer.since) - 1:
            return
        writer.add(self._line(path, writer.generation, record, stored, script, software))

    def adopt(
        self, query: str, record: Mapping[str, object], stored: Stored, script: str, software: str
    ) -> None:
        """Record how a file was made before there were records in the bucket: any later word counts more."""
        path = self.path(query)
        if path and self._writer and not self._view.knows(path):
            self._writer.add(self._line(path, 0, record, stored, script, software))

    def _line(
        self,
        path: str,
        generation: int,
        record: Mapping[str, object],
        stored: Stored,
        script: str,
        software: str,
    ) -> Made:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace(self._root, _ROOT)
        ended = record.get("endtime")
        return Made(
            path=path,
            generation=generation,
            record=msgspec.Raw(text.encode(errors="replace")),
            ended=float(ended) if isinstance(ended, int | float) else 0.0,
            stored=stored,
            script=script,
            software=software,
        )

    @property
    def is_written(self) -> bool:
        """Tell whether this run adds to it."""
        return self._writer is not None

    def flush(self) -> None:
        """Send what the bucket does not have yet."""
        if self._writer:
            self._writer.flush()

    def close(self) -> None:
        """Send the rest, and leave the bucket in order."""
        if self._writer:
            self._writer.close(finished=not self._at_work)


@contextlib.contextmanager
def opened(
    bucket: Bucket,
    run: str,
    user: Path,
    root: Path,
    warn: Callable[[str], None],
    *,
    writes: bool,
    every: float = EVERY_SECONDS,
) -> Iterator[Book | None]:
    """Have the records of a bucket for a run; None if they cannot be read, which is said.

    user: the folder in which byok8s was started. root: of its workspace. writes: whether the run adds to them. every:
    seconds between sending what was recorded.
    """
    objects = OwnObjects(bucket, UNDER)
    journal = Journal(user, f"{bucket.server} {bucket.url}")
    try:
        reading = read(objects)
    except BucketError as error:
        warn(
            "What other folders know of how the files were made cannot be read; this folder's own records count. "
            f"{error}"
        )
        yield None
        return
    _say_unreadable(objects, reading, warn)
    for made in journal.unsent():
        reading.view.take(made)
    if not writes:
        yield Book(bucket.url, reading.view, None, root)
        return
    writer = Writer(objects, journal, reading, run, warn)
    book = Book(bucket.url, reading.view, writer, root)
    try:
        with beating(book.flush, every, first=every):
            yield book
    finally:
        book.close()


def _say_unreadable(objects: OwnObjects, reading: Reading, warn: Callable[[str], None]) -> None:
    if not reading.unreadable:
        return
    first, why = next(iter(reading.unreadable.items()))
    more = f" (and {len(reading.unreadable) - 1} more)" if len(reading.unreadable) > 1 else ""
    warn(
        f"Records of how files were made cannot be read: {objects.address}{first}{more}: {why}. For the files in them "
        "this folder's own records count. Remove the object if nothing can restore it."
    )
