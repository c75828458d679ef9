"""A file or a directory in a bucket, as Snakemake handles it."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import snakemake_storage_plugin_s3 as s3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from s3transfer.subscribers import BaseSubscriber
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import Mtime, get_constant_prefix
from snakemake_interface_storage_plugins.storage_object import StorageObjectTouch

from snakemake_storage_plugin_byok8s.connection import split
from snakemake_storage_plugin_byok8s.facts import UNFINISHED, Facts
from snakemake_storage_plugin_byok8s.paths import Outside, inside
from snakemake_storage_plugin_byok8s.whole import TRIES, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
        self.bucket, self.key = split(self.query)
        self._local_suffix = self._local_suffix_from_key(self.key)
        self.provider.queries[self.bucket].append(self.key)

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
        """The key with its facts; of a directory those below it."""
        facts = self._facts("kind")
        return self.provider.listing(self.bucket, f"{self.key}/")[0] if facts.is_dir else {self.key: facts}

    def _at(self, local: Path, key: str) -> Path:
        """Where a key of this object is when the object itself is at `local`."""
        try:
            return inside(local, key[len(self.key) + 1 :])
        except Outside as error:
            raise WorkflowError(
                f"The key s3://{self.bucket}/{key} would be stored outside its directory."
            ) from error

    def _each(self, operation: str, action: Callable[[str], object], keys: Iterable[str]) -> None:
        def explained(key: str) -> None:
            with self.provider.connection.explained(operation, f"s3://{self.bucket}/{key}"):
                action(key)

        with self.provider.connection.pool() as pool:
            list(pool.map(explained, keys))

    def retrieve_object(self) -> None:
        local = self.local_path()
        files = self._files()
        # beside it and then renamed: what a kill leaves of a directory would pass for it at the next run
        with (
            TemporaryDirectory(dir=local.parent, prefix=".byok8s-") as folder,
            create_transfer_manager(self.provider.client, TransferConfig()) as transfers,
        ):
            half = Path(folder, local.name)

            def download(key: str) -> None:
                path = self._at(half, key)
                path.parent.mkdir(parents=True, exist_ok=True)
                size = _KnownSize(files[key].size)
                for _ in range(TRIES):
                    transfers.download(self.bucket, key, str(path), subscribers=[size]).result()
                    if is_whole(path, files[key].size):
                        return
                raise WorkflowError(
                    f"download of s3://{self.bucket}/{key} is not whole: {path.stat().st_size} of "
                    f"{files[key].size} bytes came, {TRIES} times. Something on the way to S3 cuts it off."
                )

            self._each("download", download, files)
            if local.is_dir():
                rmtree(local)
            half.replace(local)

    def store_object(self) -> None:
        local = self.local_path()
        try:
            if local.is_dir():
                self._store_directory(local)
            else:
                self._upload(local, [self.key])
        finally:
            self.provider.forget()

    def _store_directory(self, local: Path) -> None:
        """In the end the files of this directory and no others: a half, or an older one, may be there."""
        inside = (path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file())
        keys = {f"{self.key}/{name}" for name in inside}
        mark, client = f"{self.key}/{UNFINISHED}", self.provider.client
        self._each("upload", lambda key: client.put_object(Bucket=self.bucket, Key=key), [mark])
        old = self.provider.listing(self.bucket, f"{self.key}/")[0].keys() - keys - {mark}
        self._upload(local, keys)
        self._delete(old)
        self._delete([mark])

    def _upload(self, local: Path, keys: Iterable[str]) -> None:
        upload = self.provider.client.upload_file
        self._each("upload", lambda key: upload(str(self._at(local, key)), self.bucket, key), keys)

    def _delete(self, keys: Iterable[str]) -> None:
        delete = self.provider.client.delete_object
        self._each("DeleteObject", lambda key: delete(Bucket=self.bucket, Key=key), keys)

    def remove(self) -> None:
        try:
            self._delete(self._files() if self.provider.facts(self.bucket, self.key, "presence") else {})
        finally:
            self.provider.forget()

    def touch(self) -> None:
        """Copy the object onto itself; of a directory one file, as the newest makes its time."""
        self._each("copy", self._touch, list(self._files())[:1])
        self.provider.forget()

    def _touch(self, key: str) -> None:
        source = {"Bucket": self.bucket, "Key": key}
        head = self.provider.client.head_object(**source)
        kept = {name: head[name] for name in _HEADERS if name in head} | {"MetadataDirective": "REPLACE"}
        # boto's managed copy goes by parts where the object is larger than the 5 GiB of one request
        self.provider.client.copy(source, self.bucket, key, ExtraArgs=kept)

    def list_candidate_matches(self) -> list[str]:
        """All queries under the part of this one that is before its first wildcard.

        What byok8s itself keeps in a bucket, locks and records, is no file of a workflow.
        """
        bucket, slash, prefix = get_constant_prefix(self.query).removeprefix("s3://").partition("/")
        if not slash:
            raise WorkflowError(f"{self.query} has a wildcard in the name of the bucket: name the bucket.")
        found = self.provider.listing(bucket, prefix)[0]
        return [f"s3://{bucket}/{key}" for key in found if ".byok8s" not in key.split("/")]
