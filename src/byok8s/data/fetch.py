"""Files of the bucket, brought to this machine: in parallel, whole or not there, and never over what is the user's."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from byok8s.data.contents import Entry
from byok8s.data.inputs import Person, files_words, named
from byok8s.errors import BucketError, InputError
from byok8s.s3 import Bucket

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.connection import Connection

Connected = Callable[[], "Connection"]
HASHED_AT_ONCE = 4


@dataclass(frozen=True)
class Wanted:
    """A file, and where it goes."""

    entry: Entry
    path: Path


def places(entries: Sequence[Entry], folder: Path) -> list[Wanted]:
    """Return where files go below a folder.

    Raises InputError for one that would lead out of it, and for two that the folder cannot hold both.
    """
    from snakemake_storage_plugin_byok8s.paths import Outside, inside

    found: list[Wanted] = []
    for entry in entries:
        try:
            found.append(Wanted(entry, inside(folder, entry.path)))
        except Outside as error:
            raise InputError(
                "The bucket holds a file that cannot be put into a folder.",
                where=f"Its key is {entry.key!r}.",
            ) from error
    with _writing():
        _check_clashes(found, _same_in_any_case(folder))
    return found


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename} cannot be written: {error.strerror}.") from error


def _check_clashes(found: Sequence[Wanted], fold: Callable[[str], str]) -> None:
    names: dict[str, str] = {}
    for wanted in found:
        name = fold(str(wanted.path))
        if name in names:
            raise InputError(f"{names[name]!r} and {wanted.entry.path!r} cannot both be in this folder.")
        names[name] = wanted.entry.path
    within = {wanted.path.parent: wanted for wanted in found}
    for wanted in within.values():
        for above in map(fold, map(str, wanted.path.parents)):
            if above in names:
                raise InputError(f"{names[above]!r} is a file, and the folder of {wanted.entry.path!r}, too.")


def _same_in_any_case(folder: Path) -> Callable[[str], str]:
    """Return what makes names the same that are so to the folder's file system."""
    from snakemake_storage_plugin_byok8s.halves import PREFIX

    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=PREFIX) as made:
        Path(made, "case").touch()
        return str.casefold if Path(made, "CASE").exists() else str


class Kind(Enum):
    """What is here of a file: nothing, or what the bucket had before; what it has; or what is the user's."""

    NEW = "new"
    SAME = "same"
    OTHER = "other"


def kinds(bucket: Bucket, found: Sequence[Wanted]) -> dict[Kind, list[Wanted]]:
    """Tell what has to be fetched. A file that was fetched, and not changed since, is not the user's."""
    by_kind: dict[Kind, list[Wanted]] = {kind: [] for kind in Kind}
    here: list[Wanted] = []
    for wanted in found:
        (here if os.path.lexists(wanted.path) else by_kind[Kind.NEW]).append(wanted)
    if here:
        with ThreadPoolExecutor(HASHED_AT_ONCE) as pool:
            for wanted, kind in zip(here, pool.map(_Notes(bucket).kind, here), strict=True):
                by_kind[kind].append(wanted)
    return by_kind


class _Notes:
    """What is known of files here: `.byok8s/uploads.jsonl`, in which what came from the bucket is noted, too."""

    def __init__(self, bucket: Bucket) -> None:
        from snakemake_storage_plugin_byok8s.offers import Record

        self._bucket = bucket
        self._record = Record(Path.cwd())

    def kind(self, wanted: Wanted) -> Kind:
        """Return what is here in a file's place, if there is something."""
        from snakemake_storage_plugin_byok8s import etag
        from snakemake_storage_plugin_byok8s.send import Outgoing

        if not wanted.path.is_file():
            return Kind.OTHER
        here, entry = Outgoing.of(wanted.path, wanted.entry.key), wanted.entry
        if self._record.has(self._address(wanted), here, entry.etag):
            return Kind.SAME
        if here.size == entry.size and etag.matches(entry.etag, wanted.path, here.size):
            self.note(wanted)
            return Kind.SAME
        return Kind.NEW if self._record.had(self._address(wanted), here) else Kind.OTHER

    def note(self, wanted: Wanted) -> None:
        """Remember that a file is what the bucket has."""
        from snakemake_storage_plugin_byok8s.send import Outgoing

        self._record.note(
            self._address(wanted), Outgoing.of(wanted.path, wanted.entry.key), wanted.entry.etag
        )

    def _address(self, wanted: Wanted) -> str:
        return f"s3://{self._bucket.name}/{wanted.entry.key}"


def wanted(bucket: Bucket, found: Sequence[Wanted], *, replace: bool) -> list[Wanted]:
    """Return what has to be fetched. Raises InputError for files of the user's that differ, unless `replace`."""
    by_kind = kinds(bucket, found)
    others = by_kind[Kind.OTHER]
    if others and not replace:
        be, them = ("is", "it") if len(others) == 1 else ("are", "them")
        raise InputError(
            f"{counted(others)}, {be} here with another content: {named([each.entry.path for each in others])}.",
            hint=f"--replace fetches {them} all the same; -d DIR fetches to another folder.",
        )
    return [*by_kind[Kind.NEW], *others]


def counted(found: Sequence[Wanted]) -> str:
    """Return how many there are, and how large they are together."""
    return files_words(len(found), sum(each.entry.size for each in found))


def bring(
    bucket: Bucket,
    entries: Sequence[Entry],
    folder: Path,
    person: Person,
    *,
    replace: bool,
    connected: Connected | None = None,
) -> None:
    """Have files of the bucket below a folder, and say so. connected: if a connection is under way.

    Raises InputError and BucketError as the parts of it do.
    """
    from snakemake_storage_plugin_byok8s.halves import sweep

    found = places(entries, folder.absolute())
    with _writing():
        for each in {wanted.path.parent for wanted in found}:
            sweep(each)
    missing = wanted(bucket, found, replace=replace)
    if missing:
        size = sum(each.entry.size for each in missing)
        words = f"{counted(missing)} from {bucket.url}"
        with person.show_transfer("Fetching", words, size, quiet=False) as tell:
            fetch(bucket, missing, tell, connected)
    same = len(found) - len(missing)
    person.say(f"Fetched: {counted(missing)}" + (f"; {same} here already." if same else "."))


def fetch(
    bucket: Bucket,
    wanted: Sequence[Wanted],
    tell: Callable[[int], object],
    connected: Connected | None = None,
) -> None:
    """Bring files here. tell: is called with the bytes that came, by any thread.

    Raises BucketError for one that cannot be fetched or does not come whole, InputError for a place that cannot be
    written to.
    """
    from snakemake_interface_common.exceptions import WorkflowError

    from snakemake_storage_plugin_byok8s.receive import Incoming, Receiving

    notes = _Notes(bucket)
    by_key = {each.entry.key: each for each in wanted}
    files = [
        Incoming(
            each.entry.path,
            each.entry.key,
            each.path,
            each.entry.size,
            each.entry.etag,
            each.entry.modified.timestamp(),
        )
        for each in wanted
    ]
    with _writing():
        try:
            server = connected() if connected else connection(bucket)
            receiving = Receiving(server, bucket.name, tell)
            receiving.receive(files, lambda file: notes.note(by_key[file.key]))
        except WorkflowError as error:
            raise BucketError("A file cannot be fetched.", where=str(error)) from error


@contextmanager
def connecting(bucket: Bucket) -> Iterator[Connected]:
    """Yield what waits for a connection, which is made while the block waits for the bucket's first answers."""
    with ThreadPoolExecutor(1, "connection") as pool:
        yield pool.submit(connection, bucket).result


def connection(bucket: Bucket) -> Connection:
    """Return a connection to a bucket's server, with the user's own keys."""
    from snakemake_storage_plugin_byok8s.connection import Connection, ServerSettings

    return Connection(ServerSettings(endpoint_url=bucket.endpoint_url), logging.getLogger("byok8s"))
