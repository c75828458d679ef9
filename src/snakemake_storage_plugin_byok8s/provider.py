"""What Snakemake asks of a storage plugin.

While the main process builds the DAG, answers come from listings (planning.py): few requests for thousands of
files. Otherwise every answer is fresh: a listing of a few keys, which also tells a directory. In the workspace of a
run of byok8s, which has bucket and prefix for itself, what planning saw and what was stored since stays known
(ledger.py), and files have the paths of their keys (plain.py).

Buckets are never created and never deleted; failures say operation, address, S3's words and what to do.
`glob_wildcards(storage.byok8s("s3://bucket/reads/{sample}.fq"))` works. What is named by `storage("s3://...")`
goes to the S3 plugin as before: byok8s is used where it is the default, or named.

A job that runs on this machine has few files and asks for each: Snakemake starts it with `--max-inventory-time 0`, at
which nothing is planned.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import snakemake_storage_plugin_s3 as s3
from snakemake_interface_storage_plugins.storage_provider import StorageQueryValidationResult

from snakemake_storage_plugin_byok8s.connection import Connection, split
from snakemake_storage_plugin_byok8s.facts import Facts, Listing
from snakemake_storage_plugin_byok8s.ledger import Ledger
from snakemake_storage_plugin_byok8s.objects import StorageObject
from snakemake_storage_plugin_byok8s.tree import directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snakemake_interface_storage_plugins.io import IOCacheStorageInterface

    from snakemake_storage_plugin_byok8s.plain import Workspace
    from snakemake_storage_plugin_byok8s.planning import Plan

__all__ = ["StorageObject", "StorageProvider", "StorageProviderSettings"]

_NEIGHBOURS: Final = 10  # keys that begin like the one that is asked for
_MOMENT_S: Final = 1.0  # how long the answer to one question answers the next about the same key
_JOB_MOMENT_S: Final = 10.0


@dataclass
class StorageProviderSettings(s3.StorageProviderSettings):  # type: ignore[misc]
    """The S3 plugin's settings, with the token as secret as the keys, and the profile's region by default."""

    region: str | None = field(default=None, metadata={"help": "region of the bucket", "env_var": True})
    token: str | None = field(default=None, repr=False, metadata={"help": "session token", "env_var": True})
    workspace: str | None = field(
        default=None,
        metadata={
            "help": "set by byok8s: the folder of a run that has bucket and prefix for itself, a mirror"
        },
    )
    prefix: str | None = field(
        default=None,
        metadata={"help": "set by byok8s: in a workspace, what is below this has its key's path"},
    )


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
        self._ledger = Ledger()
        self._start_again()
        self.connection = Connection(self.settings, self.logger)
        self.s3c, self.client = self.connection.resource, self.connection.client
        self.workspace = self._open_workspace()

    def _open_workspace(self) -> Workspace | None:
        """None if Snakemake was not started by byok8s, or in a pod."""
        folder, prefix = getattr(self.settings, "workspace", None), getattr(self.settings, "prefix", None)
        if not (folder and prefix and self.is_default and Path(folder).is_dir()):
            return None
        from snakemake_storage_plugin_byok8s import compat, plain

        compat.enable()
        return plain.Workspace(self, Path(folder), prefix)

    def plan(self, cache: IOCacheStorageInterface) -> None:
        """Answer from listings for as long as this cache of Snakemake's is active; in a job that has no time for it."""
        self._in_job = getattr(cache, "max_wait_time", 0) <= 0
        if self.workspace:
            self.workspace.parsed()
        with self._lock:
            if self._in_job or (self._plan and self._plan.cache is cache):
                return
            from snakemake_storage_plugin_byok8s.planning import Plan

            self._plan = Plan(self, cache)

    def learn(self, bucket: str, key: str, mtime: int, size: int, is_dir: bool = False) -> None:
        """Know what a worker has stored."""
        self.learn_facts(bucket, key, Facts(mtime, size, is_dir))

    def learn_facts(self, bucket: str, key: str, facts: Facts) -> None:
        """Know what is at a key, or will be before it is needed."""
        self._ledger.learn(bucket, key, facts)

    def known(self, bucket: str, key: str) -> Facts | None:
        """Return what is known of a key without asking; None if nothing is, or nothing is known."""
        return self._known(bucket, key)[1]

    def forget(self, file: StorageObject) -> None:
        """Ask again from now on: the file was written, or is about to be."""
        self._ledger.forget(file.bucket, file.key)
        if self.workspace:
            self.workspace.forget(file)
        else:
            self._start_again()

    def _start_again(self) -> None:
        with self._lock:
            self._moment: tuple[str, float, Facts | None, set[str]] = "", 0.0, None, set()
            self._present: dict[tuple[str, str], tuple[Facts, float]] = {}
            if self._plan:
                self._plan.forget()

    def _known(self, bucket: str, key: str) -> tuple[bool, Facts | None]:
        told, facts = self._ledger.told(bucket, key)
        if told:
            return True, facts
        if self._plan and self._ledger.is_as_planned(bucket, key):
            with self._lock:
                return self._plan.known(bucket, key)
        return False, None

    def facts(self, bucket: str, key: str, question: str) -> Facts | None:
        """What is at a key, None when nothing is.

        question: "existence" is asked again after planning; "mtime", "size", "kind" and "presence" are
        each answered once by the request before, if that was about the same key and at most a second ago.
        In a workspace nothing is asked twice, unless it was written meanwhile.
        """
        if self._in_job:
            return self._facts_in_job(bucket, key)
        if self.workspace:
            return self._facts_of_run(bucket, key)
        told, facts = self._ledger.told(bucket, key)
        if told:
            return facts
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

    def _facts_of_run(self, bucket: str, key: str) -> Facts | None:
        """What is not there is asked for again once it may have been written: by a job that says that it makes it."""
        is_known, facts = self._known(bucket, key)
        if is_known:
            return facts
        if self._plan and self._ledger.is_as_planned(bucket, key):
            with self._lock:
                return self._plan.facts(bucket, key)
        facts = self.ask(bucket, key)
        if facts:
            self._ledger.note(bucket, key, facts)
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

    def listing(self, bucket: str, prefix: str) -> dict[str, Facts]:
        """The files whose keys begin with prefix, by key."""
        return self.list_pages(bucket, prefix).files

    def list_pages(
        self, bucket: str, prefix: str, pages: int = sys.maxsize, *, flat: bool = False
    ) -> Listing:
        """List what begins with prefix, in so many requests at most. flat: without what is in the folders there."""
        found: dict[str, Facts] = {}
        folders: set[str] = set()
        more: dict[str, str] = {"Delimiter": "/"} if flat else {}
        for _ in range(pages):
            with self.connection.explained("ListObjectsV2", f"s3://{bucket}/{prefix}"):
                page = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
            for item in page.get("Contents", ()):
                found[item["Key"]] = _facts(item)
            folders.update(item["Prefix"].rstrip("/") for item in page.get("CommonPrefixes", ()))
            if not page["IsTruncated"]:
                return Listing(found, frozenset(folders), complete=True)
            more["ContinuationToken"] = page["NextContinuationToken"]
        return Listing(found, frozenset(folders), complete=False)

    def ask(self, bucket: str, key: str) -> Facts | None:
        """Ask S3 now. A listing tells a file, a directory and absence apart, for which HEAD would need it beside."""
        address, folder = f"s3://{bucket}/{key}", f"{key}/"
        with self.connection.explained("ListObjectsV2", address):
            page = self.client.list_objects_v2(Bucket=bucket, Prefix=key, Delimiter="/", MaxKeys=_NEIGHBOURS)
        files = {item["Key"]: item for item in page.get("Contents", ())}
        folders = [item["Prefix"] for item in page.get("CommonPrefixes", ())]
        if item := files.get(key):
            return _facts(item)
        # what sorts before the folder, as `key.bak` does, may have filled the page
        cut_off = page["IsTruncated"] and max([*files, *folders]) < folder
        if folder in folders or cut_off:
            return directory(key, self.listing(bucket, folder))
        return None


def _facts(item: Mapping[str, Any]) -> Facts:
    """Return what a listing says of an object."""
    return Facts(
        int(item["LastModified"].timestamp()), item["Size"], etag=str(item.get("ETag", "")).strip('"')
    )
