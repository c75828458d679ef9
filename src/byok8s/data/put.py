"""Files of this folder, put into the bucket at the same paths: whole, only what differs, and never over another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from byok8s.data import contents
from byok8s.data.fetch import Connected, Kind, Wanted, connection, counted, kinds
from byok8s.data.inputs import Person, files_words, named
from byok8s.errors import BucketError, InputError
from byok8s.s3 import Bucket, S3Client

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.connection import Connection

OWN = frozenset({".byok8s", ".snakemake"})


@dataclass(frozen=True)
class _Local:
    """A file and its path in the bucket. folders: above it, those that were named as a whole."""

    path: str
    file: Path
    folders: tuple[str, ...] = ()


def put(
    bucket: Bucket,
    paths: Sequence[Path],
    person: Person,
    *,
    replace: bool,
    client: S3Client | None = None,
    connected: Connected | None = None,
) -> None:
    """Upload files, and all that is in folders, and say so.

    client, connected: of the bucket, if there are such.

    Raises InputError for a path that cannot be put, and for files that differ, unless `replace`; BucketError when the
    bucket does not take them.
    """
    found = _found(paths)
    there = {entry.path: entry for entry in contents.at(bucket, [local.path for local in found], client)}
    both = [Wanted(there[local.path], local.file) for local in found if local.path in there]
    by_kind = kinds(bucket, both)
    same = {wanted.entry.path for wanted in by_kind[Kind.SAME]}
    others = [wanted for kind in (Kind.NEW, Kind.OTHER) for wanted in by_kind[kind]]
    if others and not replace:
        raise InputError(
            f"{counted(others)}, in the bucket with another content: "
            f"{named([wanted.entry.path for wanted in others])}.",
            hint="--replace puts yours in their place.",
        )
    missing = [local for local in found if local.path not in same]
    with _explained():
        server = connected() if connected else connection(bucket)
        with _unfinished(server, bucket, found, missing):
            if missing:
                _send(server, bucket, missing, person)
    size = sum(local.file.stat().st_size for local in missing)
    person.say(f"Put: {files_words(len(missing), size)}" + (f"; {len(same)} there already." if same else "."))


def _found(paths: Sequence[Path]) -> list[_Local]:
    """Return the files that paths name, each once. Raises InputError for one that has no place in the bucket."""
    found: dict[str, _Local] = {}
    for path in paths:
        for local in _of(path):
            found.setdefault(local.path, local)
    return list(found.values())


def _of(path: Path) -> Iterator[_Local]:
    from snakemake_storage_plugin_byok8s.tree import Unstorable, walk

    top, whole = Path.cwd(), Path.cwd() / path
    if ".." in path.parts or not whole.is_relative_to(top):
        raise InputError(
            f"{path} is not in this folder, so it has no path in the bucket.",
            hint="Start in the workflow's folder, and name it from there.",
        )
    if not whole.exists():
        raise InputError(f"There is no {path}.")
    within = whole.relative_to(top).as_posix()
    if whole.is_file():
        yield _Local(within, whole)
        return
    try:
        files, _ = walk(whole)
    except Unstorable as error:
        raise InputError(str(error)) from error
    for name in files:
        if not OWN & set(name.split("/")):
            local = whole / name
            above = [each.relative_to(top).as_posix() for each in local.parents if each.is_relative_to(whole)]
            yield _Local(
                local.relative_to(top).as_posix(), local, tuple(each for each in above if each != ".")
            )


def _send(server: Connection, bucket: Bucket, missing: Sequence[_Local], person: Person) -> None:
    from snakemake_storage_plugin_byok8s.offers import Record
    from snakemake_storage_plugin_byok8s.send import Outgoing, Sending

    record = Record(Path.cwd())
    outgoing = [Outgoing.of(local.file, _key(bucket, local.path)) for local in missing]
    size = sum(file.size for file in outgoing)
    words = f"{files_words(len(missing), size)} to {bucket.url}"
    with person.show_transfer("Uploading", words, size, quiet=False) as tell:
        Sending(server, bucket.name, tell, record.begun).send(
            outgoing,
            lambda file, facts: record.note(f"s3://{bucket.name}/{file.key}", file, facts.etag),
        )


@contextmanager
def _unfinished(
    server: Connection, bucket: Bucket, found: Sequence[_Local], missing: Sequence[_Local]
) -> Iterator[None]:
    """Have folders count as missing until all of them is there; also those that a kill has left so."""
    from snakemake_storage_plugin_byok8s.tree import mark

    def each(operation: str, action: Callable[..., object], files: Sequence[_Local]) -> None:
        def one(folder: str) -> None:
            key = mark(_key(bucket, folder))
            with server.explained(operation, f"s3://{bucket.name}/{key}"):
                action(Bucket=bucket.name, Key=key)

        with server.pool() as pool:
            list(pool.map(one, {folder for local in files for folder in local.folders}))

    each("PutObject", server.client.put_object, missing)
    yield
    each("DeleteObject", server.client.delete_object, found)


def _key(bucket: Bucket, path: str) -> str:
    return f"{bucket.prefix}/{path}" if bucket.prefix else path


@contextmanager
def _explained() -> Iterator[None]:
    from snakemake_interface_common.exceptions import WorkflowError

    try:
        yield
    except WorkflowError as error:
        raise BucketError("A file cannot be put into the bucket.", where=str(error)) from error
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error
