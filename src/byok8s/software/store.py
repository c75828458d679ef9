"""The conda environments that a bucket has: an archive each, and beside it what is known of it.

.byok8s/envs/PLATFORM/HASH.json             an Entry
.byok8s/envs/PLATFORM/HASH-SHA256.tar.zst   what that speaks of: two runs that make one do not disturb each other
"""

from __future__ import annotations

from typing import Final

import msgspec

from byok8s.s3 import Bucket
from byok8s.s3.own import OwnObjects

UNDER: Final = ".byok8s/envs"


class StoredEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment. name: Snakemake's hash. source: its file, as the run that made it has it. made: in seconds since
    1970. size: in bytes, packed.
    """

    name: str
    platform: str
    source: str
    sha256: str
    size: int
    made: float = 0.0

    @property
    def archive(self) -> str:
        """Return the archive's name below the prefix."""
        return f"{self.platform}/{self.name}-{self.sha256}.tar.zst"


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
            if name == f"{entry.platform}/{entry.name}.json" and entry.archive in names:
                found.append(msgspec.structs.replace(entry, made=names[name]))
        return found

    def note(self, entry: StoredEnvironment) -> None:
        """Note an environment whose archive is there."""
        self._objects.write(f"{entry.platform}/{entry.name}.json", msgspec.json.encode(entry))

    def clear(self) -> int:
        """Remove all environments, and what is left of unfinished ones. Return how many objects that were."""
        names = sorted(each.name for each in self._objects.listed())
        # what speaks of an archive first
        self._objects.remove(name for name in names if name.endswith(".json"))
        self._objects.remove(name for name in names if not name.endswith(".json"))
        return len(names)
