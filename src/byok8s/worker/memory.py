"""The memory that a job takes of its container: what all of its processes hold at once, and files kept in memory.

The kernel's own peak is of no use for one job of several: it cannot be reset from inside, and has the page cache in it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from byok8s.worker.diagnosis import MEMORY

LOOK_SECONDS: Final = 0.2
_STATISTICS: Final = "memory.stat"
# what cannot be given back: of cgroup v2, then of v1, each with the processes' own memory and that of files
_COUNTED: Final = ((b"anon", b"shmem"), (b"total_rss", b"total_shmem"))
_NO_LIMIT: Final = 1 << 60  # v1 has a large number for none


class Memory:
    """What a container has in use beyond what it had at first. most: bytes, as far as it was looked at."""

    def __init__(self) -> None:
        self._first, self.most = _in_use(), 0
        self._at = 0.0

    def look(self) -> None:
        """Look at it, if it is some time since that was done."""
        if self._first is not None and time.monotonic() >= self._at:
            self._at = time.monotonic() + LOOK_SECONDS
            self.most = max(self.most, (_in_use() or 0) - self._first)


def _in_use() -> int | None:
    """Return how many bytes the container has in use; None if that is not known to be the container's own.

    What has a limit is: the top of the hierarchy, which a container may see instead, has none.
    """
    for (_, limit), counted in zip(MEMORY, _COUNTED, strict=True):
        with suppress(OSError, ValueError, KeyError):
            if int(limit.read_text()) < _NO_LIMIT:
                rows = dict(row.split() for row in limit.with_name(_STATISTICS).read_bytes().splitlines())
                return sum(int(rows[name]) for name in counted)
    return None
