"""What has come of a file that is not whole yet: beside the file's place, from where it is renamed.

That of a large file outlives a kill, in a folder with a note of the parts that are there. It belongs to one process at
a time, and to one content.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from snakemake_storage_plugin_byok8s.own_file import locked

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = ".byok8s-"
_KEPT: Final = f"{PREFIX}half-"
_PASSING: Final = f"{PREFIX}passing-"
_PASSING_SECONDS: Final = 10.0  # in which one that was just made is locked
_KEPT_SECONDS: Final = 7 * 24 * 3600.0
_THIS_START: Final = uuid.uuid4().hex
_numbers: Final = itertools.count()


class Half:
    """A file that comes in parts. path: of what is there. notes: of its parts; None if it need not outlive a kill.

    Any thread may call.
    """

    def __init__(self, path: Path, notes: IO[str] | None = None) -> None:
        self.path = path
        self._notes = notes
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if notes:
            notes.seek(0)
        rows = notes.read().split("\n")[:-1] if notes else ()
        self._there = {int(row) for row in rows if row.isdigit()}

    def lock(self) -> None:
        """Have no other process take it for what a kill has left, where there are locks."""
        with suppress(OSError):
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def has(self, number: int) -> bool:
        """Return whether a part is there."""
        return number in self._there

    def write(self, data: bytes, offset: int) -> None:
        """Write what came, where it belongs."""
        while data:
            written = os.pwrite(self._fd, data, offset)
            data, offset = data[written:], offset + written

    def note(self, number: int) -> None:
        """Remember that a part is there, also after a kill."""
        self._there.add(number)
        if self._notes:
            os.write(self._notes.fileno(), f"{number}\n".encode())

    def forget(self) -> None:
        """Begin again."""
        self._there.clear()
        if self._notes:
            os.ftruncate(self._notes.fileno(), 0)
        os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Let go of the file, which may have its name by now."""
        os.close(self._fd)


@contextmanager
def half_of(path: Path, content: str) -> Iterator[Half]:
    """Have what there is of a file. content: what stays after a kill belongs to this; nothing if none need stay.

    A folder that another process has, or that cannot be locked, is not used for what stays.
    """
    folder = path.with_name(_KEPT + _digest(path.name) + _digest(content)) if content else None
    if folder and (notes := _locked(folder)):
        with notes:
            for other in path.parent.glob(f"{_KEPT}{_digest(path.name)}*"):
                if other != folder:
                    _remove(other)
            yield from _opened(Half(folder / "half", notes))
            shutil.rmtree(folder, ignore_errors=True)  # not if it was cut off
    else:
        passing = path.with_name(f"{_PASSING}{_THIS_START}-{os.getpid()}-{next(_numbers)}")
        try:
            yield from _opened(Half(passing))
        except BaseException:
            passing.unlink(missing_ok=True)
            raise


def sweep(folder: Path) -> None:
    """Remove what a kill has left: of a large file long ago, as somebody may yet go on with it."""
    for half in folder.glob(f"{PREFIX}*"):
        seconds = _KEPT_SECONDS if half.name.startswith(_KEPT) else _PASSING_SECONDS
        with suppress(FileNotFoundError):  # another has just removed it
            if time.time() - half.stat().st_mtime > seconds:
                _remove(half)


def _opened(half: Half) -> Iterator[Half]:
    try:
        half.lock()
        yield half
    finally:
        half.close()


def _locked(folder: Path) -> IO[str] | None:
    """Return the notes of a folder, which is ours now; None if another process has it, or there are no locks here."""
    folder.mkdir(exist_ok=True)
    return locked(folder / "parts")


def _remove(half: Path) -> None:
    """Remove a folder, or a file that has passed no further, unless another process has it."""
    if half.is_dir() and (notes := _locked(half)):
        with notes:
            shutil.rmtree(half, ignore_errors=True)
    elif half.name.startswith(_PASSING) and half.is_file() and not half.is_symlink():
        with suppress(OSError), half.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            half.unlink()


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()[:16]
