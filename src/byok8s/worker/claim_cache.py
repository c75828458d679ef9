"""Inputs on a volume that the workers of many runs share. Of what lies there, nothing is believed.

Whoever can write to the volume can put anything there, under any name, and change it at any time. So a file is named by
the checksum that the bucket tells of its object, and is copied first: the copy, which nobody else can write to, has to
have that checksum. Of an object without one nothing is kept.

A file gets its name when it is whole, so that two writers of the same do no harm. Folder and files are opened without
following links: the volume cannot lead to other places of the pod.
"""

from __future__ import annotations

import os
import stat
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from byok8s.worker.cache import SMALLEST_BYTES

FOLDER: Final = "byok8s-cache"
VARIABLE: Final = "BYOK8S_CLAIM"  # of a worker's environment: where the volume is
SHARE: Final = 2  # what is kept takes at most so many parts of the room that there is
ABANDONED_SECONDS: Final = 3600.0  # since somebody has last written to a file that has no name yet
_UNFINISHED: Final = "."  # how the name of such a file begins
_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True)
class _Kept:
    """A file of the cache. used: when it was last copied, or written, in seconds since 1970."""

    name: str
    size: int
    used: float


@dataclass(frozen=True)
class ClaimCache:
    """volume: where it is mounted. Any thread may call; a volume that is away or full is as if nothing was kept."""

    volume: Path

    def copy(self, checksum: str, size: int, path: Path) -> bool:
        """Copy what is kept to a new file, and return whether this is the content that the checksum tells."""
        name = _name(checksum, size)
        with _told(self.volume), self._folder() as folder:
            if not _is_there(name, size, folder):
                return False
            with _regular(name, size, folder) as reading, path.open("wb") as writing:
                _copy(reading, writing, size)
            if _has(checksum, path, size):
                with suppress(OSError):  # another user's
                    os.utime(name, dir_fd=folder, follow_symlinks=False)
                return True
            os.unlink(name, dir_fd=folder)
        return False

    def add(self, checksum: str, path: Path) -> None:
        """Keep a file that was just fetched, if it has the checksum and there is room for it."""
        size = path.stat().st_size
        name = _name(checksum, size)
        if size < SMALLEST_BYTES or not checksum:
            return
        with _told(self.volume), self._folder() as folder:
            if _is_there(name, size, folder) or not _has(checksum, path, size):
                return
            if _make_room(folder, size):
                _write(path, size, name, folder)

    def fault(self) -> str:
        """Return why nothing can be kept, after a trial; nothing if it can."""
        name = f"{_UNFINISHED}{uuid.uuid4().hex}"
        try:
            with self._folder() as folder:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder))
                os.unlink(name, dir_fd=folder)
        except OSError as error:
            return str(error)
        return ""

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """Open the folder on the volume, which is made if it is not there. Raises OSError."""
        with ExitStack() as stack:
            flags = os.O_RDONLY | os.O_DIRECTORY
            top = os.open(self.volume, flags)
            stack.callback(os.close, top)
            with suppress(FileExistsError):
                os.mkdir(FOLDER, dir_fd=top)
                # for all who may write to the volume, whatever this process withholds from what it makes
                os.chmod(FOLDER, stat.S_IMODE(os.fstat(top).st_mode), dir_fd=top)
            folder = os.open(FOLDER, flags | os.O_NOFOLLOW, dir_fd=top)
            stack.callback(os.close, folder)
            yield folder


def mounted() -> ClaimCache | None:
    """Return the cache of the run's claim; None if it has none."""
    volume = os.environ.get(VARIABLE)
    return ClaimCache(Path(volume)) if volume else None


def checksum_of(answer: Mapping[str, Any]) -> str:
    """Return the checksum that the bucket tells of an object; "" if it tells none. answer: to a HEAD or GET of it.

    That is its ETag, or what byok8s has noted at it if the bucket encrypts by a key of its own.
    """
    from snakemake_storage_plugin_byok8s import etag
    from snakemake_storage_plugin_byok8s.send import SUM

    told = str(answer.get("ETag", "")).strip('"')
    if answer.get("ServerSideEncryption", "AES256") != "AES256":
        told = str(answer.get("Metadata", {}).get(SUM, ""))
    return told if etag.is_sum(told) else ""


def _name(checksum: str, size: int) -> str:
    return f"{checksum}-{size}"


def _has(checksum: str, path: Path, size: int) -> bool:
    from snakemake_storage_plugin_byok8s import etag

    return path.stat().st_size == size and etag.matches(checksum, path, size)


@contextmanager
def _told(volume: Path) -> Iterator[None]:
    """Go on without a volume that does not do what it should, and say so in the job's log."""
    try:
        yield
    except FileNotFoundError:  # of what is not kept
        pass
    except OSError as error:
        _say(f"byok8s: the claim's cache is not used: {error} (in {volume})")


@cache
def _say(words: str) -> None:
    """Say something, and not again."""
    print(words, file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def _regular(name: str, size: int, folder: int) -> Iterator[BinaryIO]:
    """Open a file of a size. Raises OSError for anything else: a pipe, for one, would be waited for without end."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    with os.fdopen(fd, "rb") as reading:
        if not _is_file(os.fstat(fd), size):
            raise FileNotFoundError(name)
        yield reading


def _copy(reading: BinaryIO, writing: BinaryIO, size: int) -> None:
    """Copy so many bytes, and no more of a file that grows meanwhile."""
    while size > 0 and (block := reading.read(min(_BLOCK, size))):
        writing.write(block)
        size -= len(block)


def _is_there(name: str, size: int, folder: int) -> bool:
    with suppress(FileNotFoundError):
        return _is_file(os.stat(name, dir_fd=folder, follow_symlinks=False), size)
    return False


def _is_file(found: os.stat_result, size: int) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def _write(path: Path, size: int, name: str, folder: int) -> None:
    unfinished = f"{_UNFINISHED}{uuid.uuid4().hex}"
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as writing, path.open("rb") as reading:
            _copy(reading, writing, size)
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise


def _make_room(folder: int, size: int) -> bool:
    """Remove what nobody finishes, and what was not used for the longest time. Return whether there is room."""
    kept = sorted(_all(folder), key=lambda each: each.used)
    system = os.fstatvfs(folder)
    held = sum(each.size for each in kept)
    room = (system.f_bavail * system.f_frsize + held) // SHARE
    if size > room:
        return False
    for each in kept:
        unfinished = each.name.startswith(_UNFINISHED)
        abandoned = unfinished and time.time() - each.used > ABANDONED_SECONDS
        if abandoned or (not unfinished and held + size > room):
            with suppress(FileNotFoundError):  # another writer has removed it
                os.unlink(each.name, dir_fd=folder)
            held -= each.size
    return held + size <= room


def _all(folder: int) -> Iterator[_Kept]:
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if not entry.is_dir(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    yield _Kept(entry.name, found.st_size, found.st_mtime)
