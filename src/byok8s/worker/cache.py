"""What several jobs take, fetched once by a worker: kept between its jobs, and copied into the folder of each.

A job may do what it likes with its copy, and all processes of a worker have one user, so a job could also change what
is kept. The kernel tells: nobody can set back when an inode was changed. A job's process notes that of each file while
nothing of the workflow has run in it, by a pipe that it closes then; what looks otherwise later is not used again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

SMALLEST_BYTES: Final = 1024 * 1024  # what is smaller is fetched as fast as it is asked for
SHARE: Final = 5  # what is kept takes at most so many parts of the room that there is
MOST_ENTRIES: Final = 150
MOST_NOTED: Final = 60_000  # characters: they must have room in a pipe that nobody reads yet
TICK_SECONDS: Final = 0.02  # more than the kernel's clock needs to tell two changes apart


@dataclass(frozen=True)
class CacheEntry:
    """An object that is kept. name: its file. etag, size: the object's. inode, changed: the file's, changed in ns."""

    name: str
    bucket: str
    key: str
    etag: str
    size: int
    inode: int
    changed: int


class Cache:
    """What a job's process sees of it. Any thread may call.

    entries: what may be used. notes: the file descriptor to which `close` writes what was added.
    """

    def __init__(self, folder: Path, entries: Sequence[CacheEntry], notes: int) -> None:
        self._folder, self._notes = folder, notes
        self._entries = {(entry.bucket, entry.key): entry for entry in entries}
        self._added: list[CacheEntry] = []
        self._taken = 0  # bytes of what was added, or is being copied
        self._lock = threading.Lock()

    def find(self, bucket: str, key: str) -> CacheEntry | None:
        """Return what is kept of an object. It is the caller's to see that the object is still the same."""
        return self._entries.get((bucket, key))

    def copy(self, entry: CacheEntry, path: Path) -> None:
        """Give a job its copy, with the object's time and mode."""
        _copy(self._folder / entry.name, path)

    def add(self, bucket: str, key: str, etag: str, path: Path) -> None:
        """Keep a file that has just been fetched, if there is room for it."""
        size = path.stat().st_size
        name = hashlib.sha256(json.dumps([bucket, key, etag]).encode()).hexdigest()
        if not etag or size < SMALLEST_BYTES or not self._take(size):
            return
        place = self._folder / name
        try:
            _copy(path, place)
        except OSError:  # as when the disk is full: the job has its file all the same
            place.unlink(missing_ok=True)
            return
        status = place.stat()
        with self._lock:
            self._added.append(CacheEntry(name, bucket, key, etag, size, status.st_ino, status.st_ctime_ns))

    def _take(self, size: int) -> bool:
        """Claim room for a file; return whether there is so much for what this job adds."""
        with self._lock:
            full = len(self._added) + len(self._entries) >= MOST_ENTRIES
            if full or self._taken + size > _room(self._folder, self._taken):
                return False
            self._taken += size
            return True

    def close(self) -> None:
        """Note what was added. Nothing is added any more, and the workflow's code may run."""
        if self._added:
            # a change within the same tick of the clock could not be told
            newest = max(entry.changed for entry in self._added) / 1e9
            time.sleep(max(0.0, min(newest + TICK_SECONDS - time.time(), TICK_SECONDS)))
        rows = [json.dumps(asdict(entry)) for entry in self._added]
        while sum(map(len, rows)) > MOST_NOTED:
            rows.pop()
        with os.fdopen(self._notes, "w") as stream:
            stream.write("\n".join(rows))


class CacheIndex:
    """What the worker itself knows of it, where no job can change it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: dict[str, CacheEntry] = {}  # by name, the newest last

    def checked(self) -> tuple[CacheEntry, ...]:
        """Return what is as it was noted, and remove all else, and the oldest of what is too much."""
        if self._folder.is_symlink() or self._folder.is_file():  # which a job has put there
            self._folder.unlink()
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o700)
        self._entries = {name: entry for name, entry in self._entries.items() if self._is_untouched(entry)}
        held = sum(entry.size for entry in self._entries.values())
        room = _room(self._folder, held)
        for name, entry in [*self._entries.items()]:
            if held > room or len(self._entries) > MOST_ENTRIES // 2:
                del self._entries[name]
                held -= entry.size
        for path in self._folder.iterdir():
            if path.name not in self._entries:
                _remove(path)
        return tuple(self._entries.values())

    def learn(self, notes: int) -> None:
        """Read what the process of a job has noted, which has ended; and close the file descriptor."""
        with os.fdopen(notes) as stream, suppress(ValueError, TypeError):
            for row in stream:
                entry = CacheEntry(**json.loads(row))
                self._entries[entry.name] = entry

    def _is_untouched(self, entry: CacheEntry) -> bool:
        with suppress(OSError):
            status = (self._folder / entry.name).lstat()
            return (status.st_ino, status.st_size, status.st_ctime_ns) == (
                entry.inode,
                entry.size,
                entry.changed,
            )
        return False


def entries(rows: object) -> Iterator[CacheEntry]:
    """Read entries that `asdict` has made."""
    for row in rows if isinstance(rows, list) else ():
        yield CacheEntry(**row)


def _room(folder: Path, held: int = 0) -> int:
    """Return how many bytes may be kept. held: how many of them are kept already."""
    return (shutil.disk_usage(folder).free + held) // SHARE


def _copy(source: Path, target: Path) -> None:
    """Copy content, time and mode, within the kernel: on some file systems without writing the content again."""
    with source.open("rb") as reading, target.open("wb") as writing:
        left = os.fstat(reading.fileno()).st_size
        try:
            while left > 0 and (copied := os.copy_file_range(reading.fileno(), writing.fileno(), left)):
                left -= copied
        except OSError:  # from one file system to another, or on one that cannot
            reading.seek(0)
            writing.seek(0)
            writing.truncate()
            shutil.copyfileobj(reading, writing, SMALLEST_BYTES)
    shutil.copystat(source, target)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
