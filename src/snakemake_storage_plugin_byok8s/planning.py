"""What listings say of buckets while Snakemake plans, at few requests (1,000 keys each) for many files.

A key that a complete listing does not show is absent. What is listed follows from the queries so far: from
the top of the bucket down, the first folder that holds queried keys, or eight things queried, or a pattern's
wildcard folder (`reads` in `reads/{sample}/x.fq`) is listed with all that is below it. So 1,000 sample
folders are one listing, and the rest of a shared bucket is left alone. A folder in which keys are wanted, and
nothing in the folders inside it, is listed without those.

A listing may take 4 requests and one for each key queried so far, at most 64. If that is not all of it, the
folder is listed without what is inside its folders, and the wanted ones of those instead, in parallel; and what is
open in the end is asked by a request each, in parallel. So foreign keys, however many, cost a bounded number of
requests.
"""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from snakemake_interface_storage_plugins.io import WILDCARD_REGEX

from snakemake_storage_plugin_byok8s.facts import Facts, Listing
from snakemake_storage_plugin_byok8s.tree import directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

        def list_folder(root: _Root) -> Listing:
            prefix = f"{root.folder}/" if root.folder else ""
            return self._provider.list_pages(bucket, prefix, pages, flat=root.flat)

        with self._provider.connection.pool() as pool:
            while roots := known.roots():
                for root, listing in zip(roots, pool.map(list_folder, roots), strict=True):
                    known.take(root, listing)
            rest = [key for key in keys if known.look(key) is _UNKNOWN]
            answers = pool.map(lambda key: self._provider.ask(bucket, key), rest)
            known.single.update(zip(rest, answers, strict=True))
        known.wanted.clear()


class _Root(NamedTuple):
    """A folder to list. flat: without what is in the folders inside it."""

    folder: str
    flat: bool


class _Bucket:
    """What is wanted of one bucket, and what is known of it.

    wanted: queried keys by folder, before anything is known of them; asked: how many there were so far.
    fans: folders in which a pattern has a wildcard for a folder.
    listed: folder -> whether its listing was complete. flat: folder -> the folders inside it, by a listing without what
    is in them; None if that was not complete.
    files: facts of listed keys; order: these keys, sorted; single: facts of keys that were asked one by one.
    """

    def __init__(self) -> None:
        self.wanted: dict[str, set[str]] = defaultdict(set)
        self.asked = 0
        self.fans: set[str] = set()
        self.listed: dict[str, bool] = {}
        self.flat: dict[str, frozenset[str] | None] = {}
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

    def take(self, root: _Root, listing: Listing) -> None:
        """Note what a listing has shown."""
        self.files.update(listing.files)
        self.order = sorted(self.files)
        if root.flat:
            self.flat[root.folder] = listing.folders if listing.complete else None
        else:
            self.listed[root.folder] = listing.complete

    def look(self, key: str) -> Facts | None:
        """The facts of a key, None if there is none, _UNKNOWN where that is not known."""
        if key in self.single:
            return self.single[key]
        if key in self.files:
            return self.files[key]
        if any(self.listed.get(folder) for folder in _ancestors(key)):
            # "0" is the character after "/": between the two is what is below the key
            below = self.order[bisect_left(self.order, f"{key}/") : bisect_left(self.order, f"{key}0")]
            return directory(key, {name: self.files[name] for name in below})
        for name, folder in pairwise([key, *_ancestors(key)]):
            inside = self.flat.get(folder)
            if inside is not None and name not in inside:
                return None
        return _UNKNOWN

    def roots(self) -> list[_Root]:
        """The folders to list next: none of them inside another."""
        inside: dict[str, set[str]] = defaultdict(set)
        own: dict[str, int] = {}
        for folder, keys in self.wanted.items():
            own[folder] = sum(self.look(key) is _UNKNOWN for key in keys)
            line = [folder, *_ancestors(folder)] if own[folder] else []
            for child, parent in pairwise(line):
                inside[parent].add(child)

        def choose(folder: str) -> list[_Root]:
            if self.listed.get(folder):
                return []
            here, worth = own.get(folder, 0), self._worth(folder, own.get(folder, 0), len(inside[folder]))
            if worth and folder not in self.flat and (folder in self.listed or self._is_flat(folder, inside)):
                # what is left of it afterwards are folders of its own name, or below it
                return [_Root(folder, flat=True)] if here else self._children(inside[folder], choose)
            too_large = self.flat.get(folder, frozenset()) is None
            if worth and folder not in self.listed and not too_large:
                return [_Root(folder, flat=False)]
            return self._children(inside[folder], choose)

        return choose("")

    @staticmethod
    def _children(folders: set[str], choose: Callable[[str], list[_Root]]) -> list[_Root]:
        return [root for child in sorted(folders) for root in choose(child)]

    def _is_flat(self, folder: str, inside: dict[str, set[str]]) -> bool:
        """Nothing is wanted in the folders inside it."""
        return not inside[folder] and folder not in self.fans

    def _worth(self, folder: str, own: int, folders_inside: int) -> bool:
        if self.flat.get(folder) is not None and folder not in self.fans:
            # all that may be left of it are directories, and the folders inside
            return own + folders_inside >= _FAN
        # a few keys at the very top are no reason to list the whole of a bucket
        return folders_inside + own >= _FAN or folder in self.fans or (own > 0 and folder != "")


def _ancestors(key: str) -> Iterator[str]:
    """The folders that a key is in, the nearest first, the bucket itself ("") last."""
    while key:
        key = posixpath.dirname(key)
        yield key
