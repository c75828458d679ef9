"""Snakemake's storage in an S3 bucket, asked little and explained well: the S3 plugin, with other answers.

    snakemake --default-storage-provider byok8s --default-storage-prefix s3://bucket/prefix

While the main process builds the DAG, answers come from listings (planning.py): few requests for thousands of
files. Otherwise every answer is fresh: a listing of a few keys, which also tells a directory.

Buckets are never created and never deleted; failures say operation, address, S3's words and what to do.
`glob_wildcards(storage.byok8s("s3://bucket/reads/{sample}.fq"))` works. What is named by `storage("s3://...")`
goes to the S3 plugin as before: byok8s is used where it is the default, or named.

The package also works without byok8s, in an image that has Snakemake, and without planning.py: a job has few files
and asks for each. Snakemake starts it with `--max-inventory-time 0`, at which nothing is planned anyway.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple

import snakemake_storage_plugin_s3 as s3  # it also sets the checksums that boto makes to "when required"
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from s3transfer.subscribers import BaseSubscriber
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import Mtime, get_constant_prefix
from snakemake_interface_storage_plugins.storage_object import StorageObjectTouch
from snakemake_interface_storage_plugins.storage_provider import StorageQueryValidationResult

from snakemake_storage_plugin_byok8s.connection import Connection, split, warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from s3transfer.futures import TransferFuture
    from snakemake_interface_storage_plugins.io import IOCacheStorageInterface

    from snakemake_storage_plugin_byok8s.planning import Plan

__all__ = ["Facts", "StorageObject", "StorageProvider", "StorageProviderSettings", "directory", "warm_up"]

_NEIGHBOURS: Final = 10  # keys that begin like the one that is asked for
_MOMENT_S: Final = 1.0  # how long the answer to one question answers the next about the same key
_JOB_MOMENT_S: Final = 10.0
# what a copy of an object onto itself has to repeat, or it is lost
_CONTENT: Final = ("ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")
_HEADERS: Final = (*_CONTENT, "CacheControl", "Metadata", "StorageClass")


@dataclass
class StorageProviderSettings(s3.StorageProviderSettings):  # type: ignore[misc]
    """The S3 plugin's settings, with the token as secret as the keys, and the profile's region by default."""

    region: str | None = field(default=None, metadata={"help": "region of the bucket", "env_var": True})
    token: str | None = field(default=None, repr=False, metadata={"help": "session token", "env_var": True})


class Facts(NamedTuple):
    """What S3 says of one key. mtime: whole seconds since 1970, as HEAD gives it; size: bytes."""

    mtime: int
    size: int
    is_dir: bool = False


class _InferNothing:
    """`is_valid_query`: of a provider s3:// is valid, of its class nothing is.

    Snakemake asks the class in one place, StorageRegistry.infer_provider for `storage("s3://...")`, and gives
    up when two plugins say yes: the S3 plugin is always installed beside this one. Else it asks a provider.
    """

    def __get__(self, provider: object, owner: type) -> Callable[[str], StorageQueryValidationResult]:
        return partial(_validate, named=provider is not None)


def _validate(query: str, *, named: bool) -> StorageQueryValidationResult:
    bucket, key = split(query)
    valid = named and query.startswith("s3://") and bucket != "" and key != ""
    reason = "must be s3://bucket/key" if named else "must be named: storage.byok8s(...)"
    return StorageQueryValidationResult(query, valid, None if valid else reason)


def directory(files: list[Facts]) -> Facts | None:
    """The facts of a directory, from those of the files in it."""
    whole = Facts(max((f.mtime for f in files), default=0), sum(f.size for f in files), is_dir=True)
    return whole if files else None


class StorageProvider(s3.StorageProvider):  # type: ignore[misc]
    """One S3 endpoint with its credentials.

    queries: keys and patterns of each bucket in the order that Snakemake came to them, for planning.
    """

    is_valid_query = _InferNothing()

    def __post_init__(self) -> None:
        self.queries: dict[str, list[str]] = defaultdict(list)
        self._lock = threading.RLock()
        self._plan: Plan | None = None
        self._in_job = False
        self.forget()
        self.connection = Connection(self.settings, self.logger)
        self.s3c, self.client = self.connection.resource, self.connection.client

    def plan(self, cache: IOCacheStorageInterface) -> None:
        """Answer from listings for as long as this cache of Snakemake's is active; in a job that has no time for it."""
        self._in_job = getattr(cache, "max_wait_time", 0) <= 0
        alone = importlib.util.find_spec(f"{__name__}.planning") is None
        with self._lock:
            if alone or self._in_job or (self._plan and self._plan.cache is cache):
                return
            from snakemake_storage_plugin_byok8s.planning import Plan

            self._plan = Plan(self, cache)

    def forget(self) -> None:
        """Ask afresh from now on: something was written."""
        with self._lock:
            self._moment: tuple[str, float, Facts | None, set[str]] = "", 0.0, None, set()
            self._present: dict[tuple[str, str], tuple[Facts, float]] = {}
            if self._plan:
                self._plan.forget()

    def facts(self, bucket: str, key: str, question: str) -> Facts | None:
        """What is at a key, None when nothing is.

        question: "existence" is asked afresh after planning; "mtime", "size", "kind" and "presence" are
        each answered once by the request before, if that was about the same key and at most a second ago.
        """
        if self._in_job:
            return self._facts_in_job(bucket, key)
        with self._lock:
            if self._plan and self._plan.active:
                return self._plan.facts(bucket, key)
            address, at, facts, questions = self._moment
            if address != f"{bucket}/{key}" or question not in questions or time.monotonic() - at > _MOMENT_S:
                facts = self.ask(bucket, key)
                questions = {"mtime", "size", "kind", "presence"} if facts else set()
                self._moment = f"{bucket}/{key}", time.monotonic(), facts, questions
            questions.discard(question)
            return facts

    def _facts_in_job(self, bucket: str, key: str) -> Facts | None:
        """What is there stays for a while: the files of a job are written by nobody else meanwhile.

        What is not there is asked for again, as the job's command may write to the bucket by itself.
        """
        facts, at = self._present.get((bucket, key), (None, 0.0))
        if facts is None or time.monotonic() - at > _JOB_MOMENT_S:
            facts = self.ask(bucket, key)
            if facts:
                self._present[bucket, key] = facts, time.monotonic()
        return facts

    def listing(self, bucket: str, prefix: str, pages: int = sys.maxsize) -> tuple[dict[str, Facts], bool]:
        """The files whose keys begin with prefix, by key, and whether these are all."""
        found: dict[str, Facts] = {}
        more: dict[str, str] = {}
        for _ in range(pages):
            with self.connection.explained("ListObjectsV2", f"s3://{bucket}/{prefix}"):
                page = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
            for item in page.get("Contents", ()):
                # a key that ends with "/" stands for a folder made by hand
                if not item["Key"].endswith("/"):
                    found[item["Key"]] = Facts(int(item["LastModified"].timestamp()), item["Size"])
            if not page["IsTruncated"]:
                return found, True
            more = {"ContinuationToken": page["NextContinuationToken"]}
        return found, False

    def ask(self, bucket: str, key: str) -> Facts | None:
        """Ask S3 now. A listing tells a file, a directory and absence apart, for which HEAD would need it beside."""
        address, folder = f"s3://{bucket}/{key}", f"{key}/"
        with self.connection.explained("ListObjectsV2", address):
            page = self.client.list_objects_v2(Bucket=bucket, Prefix=key, Delimiter="/", MaxKeys=_NEIGHBOURS)
        files = {item["Key"]: item for item in page.get("Contents", ())}
        folders = [item["Prefix"] for item in page.get("CommonPrefixes", ())]
        if item := files.get(key):
            return Facts(int(item["LastModified"].timestamp()), item["Size"])
        # what sorts before the folder, as `key.bak` does, may have filled the page
        cut_off = page["IsTruncated"] and max([*files, *folders]) < folder
        if folder in folders or cut_off:
            return directory(list(self.listing(bucket, folder)[0].values()))
        return None


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
        path = Path(os.path.normpath(local / key[len(self.key) + 1 :]))
        if not path.is_relative_to(local):
            raise WorkflowError(f"The key s3://{self.bucket}/{key} would be stored outside its directory.")
        return path

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
                transfers.download(self.bucket, key, str(path), subscribers=[size]).result()

            self._each("download", download, files)
            if local.is_dir():
                rmtree(local)
            half.replace(local)

    def store_object(self) -> None:
        local, keys = self.local_path(), [self.key]
        if local.is_dir():
            inside = (path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file())
            keys = [f"{self.key}/{name}" for name in inside]
        upload = self.provider.client.upload_file
        try:
            self._each("upload", lambda key: upload(str(self._at(local, key)), self.bucket, key), keys)
        finally:
            self.provider.forget()

    def remove(self) -> None:
        delete = self.provider.client.delete_object
        try:
            keys = self._files() if self.provider.facts(self.bucket, self.key, "presence") else {}
            self._each("DeleteObject", lambda key: delete(Bucket=self.bucket, Key=key), keys)
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
