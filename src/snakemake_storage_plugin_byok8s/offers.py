"""The user's files that stand for objects: inputs that no rule makes, of which the bucket has none, or another.

Snakemake plans with the file's own time and size. What its jobs then need is uploaded before the first of them, by
whoever was given the say (`Uploads`); so nothing is asked or sent for a file that no job needs.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_byok8s import etag
from snakemake_storage_plugin_byok8s.begun import Begun
from snakemake_storage_plugin_byok8s.facts import Facts
from snakemake_storage_plugin_byok8s.missing import Missing
from snakemake_storage_plugin_byok8s.send import SUM, Outgoing, Sending
from snakemake_storage_plugin_byok8s.tree import Unstorable, mark, surplus, walk

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s import StorageProvider
    from snakemake_storage_plugin_byok8s.objects import StorageObject

RECORD: Final = Path(".byok8s", "uploads.jsonl")
BEGUN: Final = Path(".byok8s", "uploads")
_SPARE_LINES: Final = 1_000  # that hold no longer, before the record is written again
_OWN: Final = frozenset({".byok8s", ".snakemake"})


@dataclass(frozen=True)
class Offer:
    """One input. path: as the Snakefile has it. files: of a directory all. replaces: whether the bucket has another.

    made: whether the Snakefile has made it while it was parsed, so that nobody need be asked.
    """

    path: str
    bucket: str
    key: str
    files: tuple[Outgoing, ...]
    folders: tuple[str, ...]
    facts: Facts
    replaces: bool
    made: bool

    @property
    def size(self) -> int:
        """Return its bytes."""
        return self.facts.size


class Record:
    """What is known to be the same here and in the bucket: for each file the object, and how both were then.

    folder: that in which byok8s was started, which keeps it. begun: the uploads that it has not finished. Any thread
    may call.
    """

    def __init__(self, folder: Path) -> None:
        self.begun = Begun(folder / BEGUN)
        self._file = folder / RECORD
        self._known: dict[str, _Same] = {}
        lines = self._file.read_text().splitlines(keepends=True) if self._file.is_file() else []
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):  # of what a kill has cut off
                path, *same = json.loads(line)
                self._known[path] = _Same(*same)
        cut_off = lines[-1:] and not lines[-1].endswith("\n")
        if cut_off or len(lines) > 2 * len(self._known) + _SPARE_LINES:
            self._write_again()

    def has(self, address: str, file: Outgoing, tag: str) -> bool:
        """Return whether a file is known to be what the bucket has."""
        return bool(tag) and self._known.get(str(file.path)) == _Same(address, file.size, file.mtime_ns, tag)

    def had(self, address: str, file: Outgoing) -> bool:
        """Return whether a file is known to be what the bucket has, or had."""
        known = self._known.get(str(file.path))
        return known is not None and known[:3] == (address, file.size, file.mtime_ns)

    def note(self, address: str, file: Outgoing, tag: str) -> None:
        """Remember that a file is what the bucket has."""
        if not tag or self.has(address, file, tag):
            return
        same = self._known[str(file.path)] = _Same(address, file.size, file.mtime_ns, tag)
        self._opened.write(_line(str(file.path), same).encode())  # at once, which other threads do not tear

    @cached_property
    def _opened(self) -> IO[bytes]:
        self._file.parent.mkdir(exist_ok=True)
        return self._file.open("ab", buffering=0)

    def _write_again(self) -> None:
        """Without what holds no longer."""
        new = self._file.with_suffix(".new")
        new.write_text("".join(_line(path, same) for path, same in self._known.items()))
        new.replace(self._file)


class _Same(NamedTuple):
    address: str
    size: int
    mtime_ns: int
    etag: str


def _line(path: str, same: _Same) -> str:
    return json.dumps([path, *same]) + "\n"


class Uploads:
    """Who has the say.

    wanted: whether files of the user's are taken at all. agree: is called with what jobs need, and raises when it is
    not to be uploaded; else returns a context, of whom to tell of the bytes that were sent, or None in a dry run, in
    which none are. refused: the paths of what would have been taken, were it wanted. missing: what the targets lack, if
    there is no plan for that.
    """

    def __init__(
        self,
        agree: Callable[[Sequence[Offer]], AbstractContextManager[Callable[[int], object]] | None],
        record: Record,
        *,
        wanted: bool,
    ) -> None:
        self.agree, self.record, self.wanted = agree, record, wanted
        self.refused: list[str] = []
        self.missing: list[Missing] = []


class Offers:
    """Of one run."""

    def __init__(self, provider: StorageProvider, uploads: Uploads) -> None:
        self._provider, self._uploads = provider, uploads
        self._seen: set[str] = set()
        self._offers: dict[str, Offer] = {}

    def of(self, place: str) -> Offer | None:
        """Return what stands for an object that the bucket does not have as it is here."""
        return self._offers.get(place)

    def offer(self, file: StorageObject, place: str, path: str, origin: Path | None, *, made: bool) -> bool:
        """Let a file stand for an object, if it has to; return whether it does since now."""
        if place in self._seen or _OWN & set(Path(place).parts):
            return False
        self._seen.add(place)
        there = self._provider.facts(file.bucket, file.key, "existence")
        wanted = made or self._uploads.wanted
        if origin is None or (there and not wanted):
            return False
        if not wanted:
            self._uploads.refused.append(path)
            return False
        try:
            offer = _offer(file, path, origin, replaces=there is not None, made=made)
            if there and self._is_same(offer, there):
                return False
        except (Unstorable, OSError) as error:
            raise WorkflowError(f"The input {path} cannot be read: {error}") from error
        self._offers[place] = offer
        self._learn(offer, offer.facts)
        return True

    def give(self, places: Iterable[str], made_again: Set[str]) -> None:
        """Upload what stands at these places, and what the Snakefile has made, unless a job makes it again.

        Raises what whoever has the say raises, and WorkflowError.
        """
        self._offers = {place: offer for place, offer in self._offers.items() if place not in made_again}
        wanted = {*places, *(place for place, offer in self._offers.items() if offer.made)}
        if needed := [offer for place, offer in self._offers.items() if place in wanted]:
            self._give(needed)

    def _give(self, needed: Sequence[Offer]) -> None:
        sending = self._uploads.agree(needed)
        if sending is None:
            return
        with sending as tell:
            for bucket in {offer.bucket for offer in needed}:
                self._send(bucket, [offer for offer in needed if offer.bucket == bucket], tell)

    def _send(self, bucket: str, offers: Sequence[Offer], tell: Callable[[int], object]) -> None:
        stored: dict[str, Facts] = {}

        def done(file: Outgoing, facts: Facts) -> None:
            stored[file.key] = facts

        outgoing: list[Outgoing] = []
        with self._provider.connection.pool() as pool:
            listed = list(pool.map(self._mark, offers))
        for offer, there in zip(offers, listed, strict=True):
            for file in offer.files:
                if file.key in there and self._is_as_here(offer, file, there[file.key]):
                    done(file, there[file.key])
                    tell(file.size)
                else:
                    outgoing.append(file)
        try:
            begun = self._uploads.record.begun
            Sending(self._provider.connection, bucket, tell, begun).send(outgoing, done)
        finally:
            for file in outgoing:
                if file.key in stored:
                    self._uploads.record.note(f"s3://{bucket}/{file.key}", file, stored[file.key].etag)
        with self._provider.connection.pool() as pool:
            list(pool.map(self._unmark, offers))
        for offer in offers:
            newest = max((stored[file.key].mtime for file in offer.files), default=offer.facts.mtime)
            single = stored[offer.key].etag if offer.key in stored else ""
            self._learn(offer, offer.facts._replace(mtime=newest, etag=single))
        self._offers = {place: offer for place, offer in self._offers.items() if offer not in offers}

    def _mark(self, offer: Offer) -> dict[str, Facts]:
        """Have a directory of which not all is there be none, as a kill may come; return what is there of it."""
        if not offer.facts.is_dir:
            return {}
        self._put_empty(offer.bucket, mark(offer.key))
        return self._provider.listing(offer.bucket, f"{offer.key}/")

    def _unmark(self, offer: Offer) -> None:
        """Have a directory in the bucket as it is here, with nothing else in it."""
        if not offer.facts.is_dir:
            return
        for name in offer.folders:
            self._put_empty(offer.bucket, f"{offer.key}/{name}")
        names = [*(file.key.removeprefix(f"{offer.key}/") for file in offer.files), *offer.folders]
        for key in surplus(offer.key, self._provider.listing(offer.bucket, f"{offer.key}/"), names):
            with self._provider.connection.explained("DeleteObject", f"s3://{offer.bucket}/{key}"):
                self._provider.client.delete_object(Bucket=offer.bucket, Key=key)

    def _put_empty(self, bucket: str, key: str) -> None:
        with self._provider.connection.explained("upload", f"s3://{bucket}/{key}"):
            self._provider.client.put_object(Bucket=bucket, Key=key)

    def _learn(self, offer: Offer, facts: Facts) -> None:
        self._provider.learn_facts(offer.bucket, offer.key, facts)

    def _is_same(self, offer: Offer, there: Facts) -> bool:
        """Return whether the bucket has what is here."""
        if there.is_dir != offer.facts.is_dir:
            return False
        if not there.is_dir:
            return self._is_as_here(offer, offer.files[0], there)
        listed = self._provider.listing(offer.bucket, f"{offer.key}/")
        wanted = {file.key: file for file in offer.files}
        if listed.keys() != wanted.keys() | {f"{offer.key}/{name}" for name in offer.folders}:
            return False
        return all(self._is_as_here(offer, file, listed[key]) for key, file in wanted.items())

    def _is_as_here(self, offer: Offer, file: Outgoing, there: Facts) -> bool:
        if there.size != file.size:
            return False
        address = f"s3://{offer.bucket}/{file.key}"
        if self._uploads.record.has(address, file, there.etag):
            return True
        same = etag.matches(there.etag, file.path, file.size) or self._has_our_sum(offer.bucket, file)
        if same:
            self._uploads.record.note(address, file, there.etag)
        return same

    def _has_our_sum(self, bucket: str, file: Outgoing) -> bool:
        """Ask for what byok8s has noted at the object, which a bucket's own encryption does not change."""
        with self._provider.connection.explained("HeadObject", f"s3://{bucket}/{file.key}"):
            head = self._provider.client.head_object(Bucket=bucket, Key=file.key)
        noted = head.get("Metadata", {}).get(SUM)
        return bool(noted) and noted == etag.of_file(file.path, file.size)


def _offer(file: StorageObject, path: str, origin: Path, *, replaces: bool, made: bool) -> Offer:
    """Raises Unstorable for a directory that a bucket cannot hold."""
    if not origin.is_dir():
        one = Outgoing.of(origin, file.key)
        facts = Facts(_time(one.mtime_ns, new=replaces and not made), one.size)
        return Offer(path, file.bucket, file.key, (one,), (), facts, replaces, made)
    names, folders = walk(origin)
    files = tuple(Outgoing.of(origin / name, f"{file.key}/{name}") for name in names)
    newest = max([origin.stat().st_mtime_ns, *(each.mtime_ns for each in files)])
    facts = Facts(_time(newest, new=replaces and not made), sum(each.size for each in files), is_dir=True)
    return Offer(path, file.bucket, file.key, files, tuple(folders), facts, replaces, made)


def _time(mtime_ns: int, *, new: bool) -> int:
    """Return the time by which Snakemake plans, in seconds: the next whole one, as those of objects are cut off.

    new: however old the file is. What was made of the content that it replaces is not up to date.
    """
    own = -(-mtime_ns // 10**9)
    return max(own, math.ceil(time.time())) if new else own
