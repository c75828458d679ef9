"""What listings say of buckets while Snakemake plans, at few requests (1,000 keys each) for many files.

A key that a complete listing does not show is absent. What is listed follows from the queries so far: from
the top of the bucket down, the first folder that holds queried keys, or eight things queried, or a pattern's
wildcard folder (`reads` in `reads/{sample}/x.fq`) is listed with all that is below it. So 1,000 sample
folders are one listing, and the rest of a shared bucket is left alone.

A listing may take 4 requests and one for each key queried so far, at most 64. If that is not all of it, the
folders inside it are listed instead, in parallel; and what is open in the end is asked by a HEAD each, in
parallel. So foreign keys, however many, cost a bounded number of requests.
"""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from snakemake_interface_storage_plugins.io import WILDCARD_REGEX

from snakemake_storage_plugin_byok8s.facts import Facts, directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snakemake_interface_storage_plugins.io import IOCacheStorageInterface

    from snakemake_storage_plugin_byok8s import StorageProvider

_FAN: Final = 8  # things queried in a folder that make it worth a listing
_PAGES_LEAST: Final = 4
_PAGES_MOST: Final = 64
_UNKNOWN: Final = Facts(-1, -1)


class Plan:
    """What one planning knows. It lasts while Snakemake's IOCache is active; the provider locks around it."""

    def __init__(self, provider: StorageProvider, cache: IOCacheStorageInterface) -> None:
        self.cache = cache
        self._provider = provider
        self._buckets: dict[str, _Bucket] = defaultdict(_Bucket)

    @property
    def active(self) -> bool:
        """Snakemake switches its cache off when the planning is over."""
        return bool(getattr(self.cache, "active", False))

    def forget(self) -> None:
        self._buckets.clear()

    def facts(self, bucket: str, key: str) -> Facts | None:
        """What is at a key, None when nothing is; lists what is worth it when that is not known."""
        known = self._buckets[bucket]
        if known.look(key) is _UNKNOWN:
            for query in (key, *self._provider.queries.pop(bucket, ())):
                known.expect(query)
            self._explore(bucket, known)
        return known.look(key)

    def known(self, bucket: str, key: str) -> tuple[bool, Facts | None]:
        """Return whether it is known what is at a key, and that."""
        found = self._buckets[bucket].look(key) if bucket in self._buckets else _UNKNOWN
        return (False, None) if found is _UNKNOWN else (True, found)

    def _explore(self, bucket: str, known: _Bucket) -> None:
        keys = [key for keys in known.wanted.values() for key in keys]
        known.asked += len(keys)
        pages = min(_PAGES_LEAST + known.asked, _PAGES_MOST)

        def list_folder(folder: str) -> tuple[dict[str, Facts], bool]:
            return self._provider.listing(bucket, f"{folder}/" if folder else "", pages)

        with self._provider.connection.pool() as pool:
            while roots := known.roots():
                for root, (files, complete) in zip(roots, pool.map(list_folder, roots), strict=True):
                    known.files.update(files)
                    known.listed[root] = complete
            known.order = sorted(known.files)
            rest = [key for key in keys if known.look(key) is _UNKNOWN]
            answers = pool.map(lambda key: self._provider.ask(bucket, key), rest)
            known.single.update(zip(rest, answers, strict=True))
        known.wanted.clear()


class _Bucket:
    """What is wanted of one bucket, and what is known of it.

    wanted: queried keys by folder, before anything is known of them; asked: how many there were so far.
    fans: folders in which a pattern has a wildcard for a folder.
    listed: folder -> whether its listing was complete.
    files: facts of listed keys; order: these keys, sorted; single: facts of keys that were asked one by one.
    """

    def __init__(self) -> None:
        self.wanted: dict[str, set[str]] = defaultdict(set)
        self.asked = 0
        self.fans: set[str] = set()
        self.listed: dict[str, bool] = {}
        self.files: dict[str, Facts] = {}
        self.order: list[str] = []
        self.single: dict[str, Facts | None] = {}

    def expect(self, query: str) -> None:
        """Note a key or a pattern: what else is wanted decides what is worth a listing."""
        wildcard = WILDCARD_REGEX.search(query)
        if wildcard is None:
            if self.look(query) is _UNKNOWN:
                self.wanted[posixpath.dirname(query)].add(query)
        elif "/" in query[wildcard.end() :]:
            self.fans.add(posixpath.dirname(query[: wildcard.start()]))

    def look(self, key: str) -> Facts | None:
        """The facts of a key, None where there is none, _UNKNOWN where that is not known."""
        if key in self.single:
            return self.single[key]
        if key not in self.files and any(self.listed.get(folder) for folder in _ancestors(key)):
            # "0" is the character after "/": between the two is what is below the key
            below = self.order[bisect_left(self.order, f"{key}/") : bisect_left(self.order, f"{key}0")]
            return directory(key, {name: self.files[name] for name in below})
        return self.files.get(key, _UNKNOWN)

    def roots(self) -> list[str]:
        """The folders to list next: none of them inside another."""
        inside: dict[str, set[str]] = defaultdict(set)
        for folder in self.wanted:
            line = [folder, *_ancestors(folder)]
            for child, parent in pairwise(line):
                inside[parent].add(child)

        def choose(folder: str) -> list[str]:
            if self.listed.get(folder):
                return []
            if folder not in self.listed and self._worth(folder, len(inside[folder])):
                return [folder]
            return [root for child in sorted(inside[folder]) for root in choose(child)]

        return choose("")

    def _worth(self, folder: str, folders_inside: int) -> bool:
        own = len(self.wanted.get(folder, ()))
        # a few keys at the very top are no reason to list the whole of a bucket
        return folders_inside + own >= _FAN or folder in self.fans or (own > 0 and folder != "")


def _ancestors(key: str) -> Iterator[str]:
    """The folders that a key is in, the nearest first, the bucket itself ("") last."""
    while key:
        key = posixpath.dirname(key)
        yield key
