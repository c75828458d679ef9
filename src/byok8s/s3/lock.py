"""One local S3 server a folder: a lock that lasts as long as the server, not just as its starter."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from byok8s.errors import InputError
from byok8s.locks.folder import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL_S: Final = 0.02


@contextmanager
def locked(data_dir: Path, patience_s: float) -> Iterator[IO[str]]:
    """Hold data_dir for this process and, by inheritance, for the server: two would spoil the data.

    patience_s: how long a server may take to end whose own process was killed. Raises InputError when another
    process, which it names, holds data_dir.
    """
    with (data_dir / "lock").open("a+") as lock:
        deadline = time.monotonic() + patience_s
        while not try_lock(lock):
            lock.seek(0)
            owner = lock.read().strip()
            # an owner that was killed leaves a server that is just ending: that is worth the wait
            if _alive(owner) or time.monotonic() > deadline:
                raise InputError(
                    f"Another byok8s (process {owner or 'unknown'}) runs the local S3 server of this folder.",
                    where=str(data_dir),
                    hint="Wait for it to end, stop it, or run in another folder.",
                )
            time.sleep(_POLL_S)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def holder(data_dir: Path) -> int | None:
    """The process that runs the server of data_dir; None if there is none.

    It may have been killed: then its server is just ending.
    """
    try:
        with (data_dir / "lock").open() as lock:
            if try_lock(lock):
                return None
            return int(lock.read())
    except (FileNotFoundError, ValueError):  # it writes its number just after it has locked
        return None


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
