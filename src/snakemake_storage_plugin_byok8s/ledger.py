"""What a run knows of its files after planning, as long as nobody else writes to them: it holds the lock.

Planning's facts hold until something is written at the key, above or below it; what was told then holds instead.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snakemake_storage_plugin_byok8s.facts import Facts

_PLANNED: Final = 0


class Ledger:
    """What was told of keys, and when what changed. Any thread may call."""

    def __init__(self) -> None:
        self._clock = itertools.count(_PLANNED + 1)
        self._told: dict[tuple[str, str], tuple[int, Facts | None]] = {}
        self._changed: dict[tuple[str, str], int] = {}
        self._changed_below: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def learn(self, bucket: str, key: str, facts: Facts | None) -> None:
        """Note what is there now that somebody has written there; None for nothing."""
        self.forget(bucket, key)
        self.note(bucket, key, facts)

    def note(self, bucket: str, key: str, facts: Facts | None) -> None:
        """Note an answer of the server's."""
        with self._lock:
            self._told[bucket, key] = next(self._clock), facts

    def forget(self, bucket: str, key: str) -> None:
        """Note that the key may have been written, or what is below it."""
        with self._lock:
            now = next(self._clock)
            self._changed[bucket, key] = now
            for folder in _above(key):
                self._changed_below[bucket, folder] = now

    def told(self, bucket: str, key: str) -> tuple[bool, Facts | None]:
        """Return whether the key was told of since it last changed, and what."""
        with self._lock:
            when, facts = self._told.get((bucket, key), (-1, None))
            return when > self._last_change(bucket, key), facts

    def is_as_planned(self, bucket: str, key: str) -> bool:
        """Tell whether nothing was written at a key since the run began."""
        with self._lock:
            return self._last_change(bucket, key) <= _PLANNED

    def _last_change(self, bucket: str, key: str) -> int:
        at = (self._changed.get((bucket, name), _PLANNED) for name in (key, *_above(key)))
        return max(*at, self._changed_below.get((bucket, key), _PLANNED))


def _above(key: str) -> Iterator[str]:
    while "/" in key:
        key = key.rpartition("/")[0]
        yield key
