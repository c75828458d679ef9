"""One run a folder: a lock that the kernel drops when its process dies, however that is.

Its content stays, and tells the next run of one that was killed.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from byok8s.errors import InputError, InUse
from byok8s.locks.heartbeat import EVERY_SECONDS, beating
from byok8s.locks.owner import LockOwner, RunLocation, decode, encode, this_process

_MOST_BYTES: Final = 64_000


class FolderLock:
    """The lock of the working folder, held. Any thread may call.

    held: False where the file system has no locks. unfinished: the controller of a run that was killed in this
    folder, where there is one.
    """

    def __init__(self, file: IO[bytes], *, held: bool) -> None:
        self._file, self.held = file, held
        self._lock = threading.Lock()
        me = this_process()
        before = _read(file) if held else None  # without a lock it may hold it still
        left = before.left if before else None
        # of a copied folder the controller may be alive, where the folder was copied from
        self.unfinished = replace(left, unfinished=None) if left and left.shares_folder(me) else None
        self.holder = replace(me, unfinished=self.unfinished)
        self._say()

    def begin(self, run: str, place: RunLocation) -> LockOwner:
        """A run begins: who holds the lock from now on."""
        self._say(run=run, place=place)
        return self.holder

    def settle(self) -> None:
        """The run that was unfinished has come to its end."""
        self._say(unfinished=None)

    def renew(self) -> None:
        with suppress(OSError):
            self._say()

    def end(self) -> None:
        with suppress(OSError):
            self._say(ended=True)

    def _say(self, **changes: object) -> None:
        with self._lock:
            self.holder = replace(self.holder, heard=datetime.now(UTC), **changes)  # type: ignore[arg-type]
            content = encode(self.holder)
            # one write, or a kill between two would leave half of a holder
            length = os.fstat(self._file.fileno()).st_size
            os.pwrite(self._file.fileno(), content.ljust(length), 0)


@contextmanager
def folder_lock(
    path: Path, warn: Callable[[str], None], every: float = EVERY_SECONDS
) -> Iterator[FolderLock]:
    """Hold the file `path` for this process.

    warn: is told of a file system that has no locks; then nothing keeps two runs apart here.
    every: seconds between signs of life. Raises InUse when another process, which it names, holds it;
    InputError when it cannot be written.
    """
    with _opened(path) as file:
        lock = FolderLock(file, held=_acquire(file, path, warn))
        try:
            with beating(lock.renew, every, first=every):
                yield lock
        finally:
            lock.end()


def last_holder(path: Path) -> LockOwner | None:
    """Return who holds, or last held, the lock `path`; None if nobody ever did."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError:
        return None


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of a file. Where the file system has no locks, none does."""
    try:
        with path.open("rb") as file:
            return not try_lock(file)
    except OSError:
        return False


def try_lock(file: IO[str] | IO[bytes]) -> bool:
    """Whether the lock of an open file is now ours. Raises OSError if the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
    except OSError as error:
        raise InputError(
            "The working folder cannot be written.",
            where=str(error),
            hint="Run in a folder that you may write.",
        ) from error


def _acquire(file: IO[bytes], path: Path, warn: Callable[[str], None]) -> bool:
    try:
        if try_lock(file):
            return True
    except OSError as error:
        warn(f"{path} cannot be locked ({error.strerror}): do not start a second run in this folder.")
        return False
    first = _read(file)
    raise InUse(
        f"Another byok8s is at work in this folder: {first or 'it does not say which'}"
        + (f", since {first.started:%Y-%m-%d %H:%M:%S} UTC." if first else "."),
        where=f"It holds {path.resolve()}.",
        hint="Wait for it to end, stop it, or run in another folder.",
    )


def _read(file: IO[bytes]) -> LockOwner | None:
    return decode(os.pread(file.fileno(), _MOST_BYTES, 0))
