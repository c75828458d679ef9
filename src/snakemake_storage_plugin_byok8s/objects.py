"""A file or a directory in a bucket, as Snakemake handles it."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import snakemake_storage_plugin_s3 as s3
from boto3.s3.transfer import create_transfer_manager
from s3transfer.subscribers import BaseSubscriber
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import Mtime, get_constant_prefix
from snakemake_interface_storage_plugins.storage_object import StorageObjectTouch

from byok8s.worker.boto import transfers
from snakemake_storage_plugin_byok8s.connection import split
from snakemake_storage_plugin_byok8s.facts import Facts
from snakemake_storage_plugin_byok8s.paths import Outside, inside
from snakemake_storage_plugin_byok8s.tree import Unstorable, mark, stands_for_folder, surplus, walk
from snakemake_storage_plugin_byok8s.whole import TRIES, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from s3transfer.futures import TransferFuture
    from snakemake_interface_storage_plugins.io import IOCacheStorageInterface

# what a copy of an object onto itself has to repeat, or it is lost
_CONTENT: Final = ("ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")
_HEADERS: Final = (*_CONTENT, "CacheControl", "Metadata", "StorageClass")


class _KnownSize(BaseSubscriber):  # type: ignore[misc]
    """Spares boto the HEAD by which it finds out how large an object is."""

    def __init__(self, size: int) -> None:
        self._size = size

    def on_queued(self, future: TransferFuture, **_: object) -> None:
        future.meta.provide_transfer_size(self._size)


class StorageObject(s3.StorageObject, StorageObjectTouch):  # type: ignore[misc]
    """A key, or all that is below `key/`: then it is a directory."""

    def __post_init__(self) -> None:
        self.provider.queries[self.bucket].append(self.key)
        if workspace := self.provider.workspace:
            workspace.notice(self)

    # Snakemake gives a copy of this another query, where wildcard constraints come after the rules: all follows from it
    @property
    def bucket(self) -> str:
        return split(self.query)[0]

    @property
    def key(self) -> str:
        return split(self.query)[1]

    @property
    def keep_local(self) -> bool:
        """Whether the local copy stays until the end of the run."""
        workspace = self.provider.workspace
        return self._keep_local or (workspace is not None and workspace.is_kept(self))

    @keep_local.setter
    def keep_local(self, keep: bool) -> None:
        self._keep_local = keep

    def local_suffix(self) -> str:
        return f"{self.bucket}/{self.key}"

    def local_path(self) -> Path:
        if self._overwrite_local_path:
            return Path(self._overwrite_local_path)
        workspace = self.provider.workspace
        plain = workspace.path(self) if workspace else None
        return Path(self.provider.local_prefix, self.local_suffix()) if plain is None else Path(plain)

    def cache_key(self, local_suffix: str | None = None) -> str:
        return str(self.local_path() if local_suffix is None else self.provider.local_prefix / local_suffix)

    def within(self, key: str) -> str:
        """Return the path of a key of this directory, within it. Raises WorkflowError for one that leads out of it."""
        folder = Path("/folder")
        try:
            return inside(folder, key[len(self.key) + 1 :]).relative_to(folder).as_posix()
        except Outside as error:
            raise WorkflowError(
                f"The key s3://{self.bucket}/{key} would be stored outside its directory."
            ) from error

    async def inventory(self, cache: IOCacheStorageInterface) -> None:
        self.provider.plan(cache)
        facts = self.provider.facts(self.bucket, self.key, "existence")
        name = self.cache_key()
        cache.exists_in_storage[name] = facts is not None
        if facts is not None:
            cache.mtime[name], cache.size[name] = Mtime(storage=facts.mtime), facts.size

    def get_inventory_parent(self) -> None:
        """None: absence is told key by key, as one folder's listing does not speak for the next."""

    def exists(self) -> bool:
        return self.provider.facts(self.bucket, self.key, "existence") is not None

    def mtime(self) -> float:
        return self._facts("mtime").mtime

    def size(self) -> int:
        return self._facts("size").size

    def _facts(self, question: str) -> Facts:
        facts: Facts | None = self.provider.facts(self.bucket, self.key, question)
        if facts is None:
            raise WorkflowError(f"There is no {self.query}.")
        return facts

    def is_dir(self) -> bool:
        return self._facts("kind").is_dir

    def _files(self) -> dict[str, Facts]:
        """Return the key with its facts; of a directory those below it, and those of its empty folders."""
        facts = self._facts("kind")
        return self.provider.listing(self.bucket, f"{self.key}/") if facts.is_dir else {self.key: facts}

    def _at(self, local: Path, key: str) -> Path:
        """Where a key of this object is when the object itself is at `local`."""
        return local if key == self.key else local / self.within(key)

    def _each(self, operation: str, action: Callable[[str], object], keys: Iterable[str]) -> None:
        def explained(key: str) -> None:
            with self.provider.connection.explained(operation, f"s3://{self.bucket}/{key}"):
                action(key)

        with self.provider.connection.pool() as pool:
            list(pool.map(explained, keys))

    async def managed_retrieve(self) -> None:
        """As Snakemake does it, in a thread: the files of a job are fetched at once."""
        await self.wait_for_free_space()
        try:
            if self.provider.workspace:
                self.provider.workspace.expect(self)
            self.local_path().parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(self.retrieve_object)
        except Exception as error:
            raise WorkflowError(
                f"Failed to retrieve storage object from {self.print_query}", error
            ) from error

    def retrieve_object(self) -> None:
        files = self._files()
        if self.provider.workspace:
            self._retrieve_into(self.local_path(), files)
            self.provider.workspace.mark_whole(self)
        else:
            self._retrieve_again(self.local_path(), files)

    def _retrieve_again(self, local: Path, files: Mapping[str, Facts]) -> None:
        # beside it and then renamed: what a kill leaves of a directory would pass for it at the next run
        with TemporaryDirectory(dir=local.parent, prefix=".byok8s-") as folder:
            half = Path(folder, "half")
            places = {key: self._at(half, key) for key in files}
            self._download(_without_folders(places, half), files)
            _keep_time(half, files.values())
            if local.is_dir():
                rmtree(local)
            half.replace(local)

    def _retrieve_into(self, local: Path, files: Mapping[str, Facts]) -> None:
        """File by file, what is missing: another job may be reading a file of the directory."""
        places = _without_folders({key: self._at(local, key) for key in files}, local)
        missing = {key: path for key, path in places.items() if not _is_there(path, files[key])}
        for folder in {path.parent for path in missing.values()}:
            _make_folder(folder, local)
        with TemporaryDirectory(dir=local.parent, prefix=".byok8s-") as temporary:
            halves = {key: Path(temporary, str(number)) for number, key in enumerate(missing)}
            self._download(halves, files)
            for key, half in halves.items():
                half.replace(missing[key])
        if local.is_dir():
            _keep_time(local, files.values())

    def _download(self, places: Mapping[str, Path], files: Mapping[str, Facts]) -> None:
        with create_transfer_manager(self.provider.client, transfers()) as manager:

            def download(key: str) -> None:
                path, facts = places[key], files[key]
                path.parent.mkdir(parents=True, exist_ok=True)
                size = _KnownSize(facts.size)
                for _ in range(TRIES):
                    manager.download(self.bucket, key, str(path), subscribers=[size]).result()
                    if is_whole(path, facts.size):
                        _keep_time(path, [facts])
                        return
                raise WorkflowError(
                    f"download of s3://{self.bucket}/{key} is not whole: {path.stat().st_size} of {facts.size} bytes "
                    f"came, {TRIES} times. Something on the way to S3 cuts it off."
                )

            self._each("download", download, places)

    def store_object(self) -> None:
        local = self.local_path()
        try:
            if local.is_dir():
                self._store_directory(local)
            else:
                self._upload(local, [self.key])
        finally:
            self.provider.forget(self)
        if self.provider.workspace:
            self.provider.workspace.mark_whole(self)
            _stand_alone(local, Path(self.provider.workspace.mirror.root))

    def _store_directory(self, local: Path) -> None:
        """In the end the files of this directory and no others: a half, or an older one, may be there."""
        try:
            files, folders = walk(local)
        except Unstorable as error:
            raise WorkflowError(str(error)) from error
        client = self.provider.client
        self._each("upload", lambda key: client.put_object(Bucket=self.bucket, Key=key), [mark(self.key)])
        there = self.provider.listing(self.bucket, f"{self.key}/")
        *old, last = surplus(self.key, there, [*files, *folders])
        self._upload(local, [f"{self.key}/{name}" for name in files])
        made = [f"{self.key}/{name}" for name in folders]
        self._each("upload", lambda key: client.put_object(Bucket=self.bucket, Key=key), made)
        self._delete(old)
        self._delete([last])

    def _upload(self, local: Path, keys: Iterable[str]) -> None:
        upload = partial(self.provider.client.upload_file, Config=transfers())
        self._each("upload", lambda key: upload(str(self._at(local, key)), self.bucket, key), keys)

    def _delete(self, keys: Iterable[str]) -> None:
        delete = self.provider.client.delete_object
        self._each("DeleteObject", lambda key: delete(Bucket=self.bucket, Key=key), keys)

    def remove(self) -> None:
        try:
            self._delete(self._files() if self.provider.facts(self.bucket, self.key, "presence") else {})
        finally:
            self.provider.forget(self)

    def touch(self) -> None:
        """Copy the object onto itself; of a directory one file, as the newest makes its time."""
        self._each("copy", self._touch, list(self._files())[:1])
        self.provider.forget(self)

    def _touch(self, key: str) -> None:
        source = {"Bucket": self.bucket, "Key": key}
        head = self.provider.client.head_object(**source)
        kept = {name: head[name] for name in _HEADERS if name in head} | {"MetadataDirective": "REPLACE"}
        # boto's managed copy goes by parts where the object is larger than the 5 GiB of one request
        self.provider.client.copy(source, self.bucket, key, ExtraArgs=kept, Config=transfers())

    def list_candidate_matches(self) -> list[str]:
        """All queries under the part of this one that is before its first wildcard.

        What byok8s itself keeps in a bucket, locks and records, is no file of a workflow.
        """
        bucket, slash, prefix = get_constant_prefix(self.query).removeprefix("s3://").partition("/")
        if not slash:
            raise WorkflowError(f"{self.query} has a wildcard in the name of the bucket: name the bucket.")
        found = self.provider.listing(bucket, prefix)
        files = [key for key in found if not stands_for_folder(key)]
        return [f"s3://{bucket}/{key}" for key in files if ".byok8s" not in key.split("/")]


def _without_folders(places: Mapping[str, Path], top: Path) -> dict[str, Path]:
    """Make the empty folders of what is at `top`, and return all else."""
    for key, path in places.items():
        if stands_for_folder(key):
            _make_folder(path, top)
    return {key: path for key, path in places.items() if not stands_for_folder(key)}


def _make_folder(folder: Path, top: Path) -> None:
    """Make a folder, and those above it up to `top`: also where only the name of one is, a link to nothing."""
    if top in folder.parents:
        _make_folder(folder.parent, top)
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)


def _keep_time(path: Path, facts: Iterable[Facts]) -> None:
    """Give a local copy the time of what it is a copy of."""
    newest = max(each.mtime for each in facts)
    os.utime(path, (newest, newest))


def _stand_alone(path: Path, root: Path) -> None:
    """A link to another file of the workspace would lead nowhere once that one's local copy is removed."""
    if path.is_symlink() and path.is_file() and path.resolve().is_relative_to(root.resolve()):
        with TemporaryDirectory(dir=path.parent, prefix=".byok8s-") as folder:
            file = Path(folder, "file")
            file.hardlink_to(path.resolve())
            file.replace(path)


def _is_there(path: Path, facts: Facts) -> bool:
    """Tell whether a file is the local copy of what these are the facts of."""
    try:
        found = path.stat()
    except OSError:
        return False
    return (int(found.st_mtime), found.st_size) == (facts.mtime, facts.size)
