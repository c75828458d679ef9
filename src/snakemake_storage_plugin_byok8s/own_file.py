"""Files that belong to one process, as long as it lives."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def locked(path: Path) -> IO[str] | None:
    """Open a file, which is made if need be, to read it and to add to it.

    Returns None if another process has it, or has just removed it, or there are no locks here. Raises OSError if it
    cannot be opened.
    """
    file = path.open("a+")
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    file.close()
    return None
