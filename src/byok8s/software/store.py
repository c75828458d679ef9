"""The conda environments that a bucket has: an archive each, and beside it what is known of it.

.byok8s/envs/PLATFORM/HASH.json             an Entry
.byok8s/envs/PLATFORM/HASH-SHA256.tar.zst   what that speaks of: two runs that make one do not disturb each other
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from byok8s.s3 import Bucket
from byok8s.s3.own import OwnObjects

UNDER: Final = ".byok8s/envs"
OLD_DAYS: Final = 30
_NOTED_FOR_DAYS: Final = 7  # a run need not write on each use
_DAY_SECONDS: Final = 86_400
_THREADS: Final = 16


class StoredEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment. name: Snakemake's hash. source: its file, as the run that made it has it. size: in bytes, packed.

    used: when a run noted it, in seconds since 1970; that is up to a week before one last used it.
    """

    name: str
    platform: str
    source: str
    sha256: str
    size: int
    used: float = 0.0

    @property
    def archive(self) -> str:
        """Return the archive's name below the prefix."""
        return f"{self.platform}/{self.name}-{self.sha256}.tar.zst"

    @property
    def note(self) -> str:
        """Return the name of what is known of it, below the prefix."""
        return f"{self.platform}/{self.name}.json"

    @property
    def is_old(self) -> bool:
        """Return whether no run has used it for long."""
        return self.unused_days > OLD_DAYS

    @property
    def unused_days(self) -> float:
        """Return how long ago a run noted it."""
        return (time.time() - self.used) / _DAY_SECONDS


class Store:
    """Of one bucket and prefix. Each call raises BucketError."""

    def __init__(self, bucket: Bucket) -> None:
        self._objects = OwnObjects(bucket, UNDER)
        self.bucket = bucket.name
        self.folder = f"{bucket.prefix}/{UNDER}".lstrip("/")

    def key(self, entry: StoredEnvironment) -> str:
        """Return the key of an environment's archive."""
        return f"{self.folder}/{entry.archive}"

    def entries(self) -> list[StoredEnvironment]:
        """Return the environments whose archive is there."""
        names = {each.name: each.modified for each in self._objects.listed()}
        told = [name for name in names if name.endswith(".json")]
        found = []
        for name, content in zip(told, self._objects.read(told), strict=True):
            try:
                entry = msgspec.json.decode(content or b"", type=StoredEnvironment)
            except msgspec.DecodeError:
                continue  # it is none of ours, and will be written again
            if name == entry.note and entry.archive in names:
                found.append(msgspec.structs.replace(entry, used=names[name]))
        return found

    def note(self, entry: StoredEnvironment) -> None:
        """Note an environment whose archive is there."""
        self._objects.write(entry.note, msgspec.json.encode(entry))

    def note_use(self, entries: Iterable[StoredEnvironment]) -> None:
        """Note that a run uses environments, unless that was noted lately."""
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(self.note, [entry for entry in entries if entry.unused_days > _NOTED_FOR_DAYS]))

    def remove(self, entries: Iterable[StoredEnvironment]) -> None:
        """Remove environments, and archives that nothing speaks of: who made them was killed."""
        chosen = {entry.note for entry in entries}
        kept = {entry.archive for entry in self.entries() if entry.note not in chosen}
        self._objects.remove(chosen)  # what speaks of an archive first
        names = [each.name for each in self._objects.listed()]
        self._objects.remove(name for name in names if not name.endswith(".json") and name not in kept)
