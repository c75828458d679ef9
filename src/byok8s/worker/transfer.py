"""A job's files between the bucket and its folder: many at once, one request a file where that suffices.

What is fetched appears under its name when it is whole. What is stored is reported with the facts that S3 told, so
that the controller need not ask.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from byok8s.worker import conda
from byok8s.worker.cache import SMALLEST_BYTES, Cache
from byok8s.worker.claim_cache import ClaimCache, checksum_of
from byok8s.worker.confined import Open, held
from byok8s.worker.description import Environment, File, Stored
from byok8s.worker.measured import BYTES

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.connection import Connection

T = TypeVar("T")
R = TypeVar("R")

THREADS: Final = 32
CHUNK_BYTES: Final = 1024 * 1024
PARTS_BYTES: Final = 64 * 1024 * 1024  # larger files go in parts, several at once
LARGE_AT_ONCE: Final = 4  # of those: each has eight parts at once
MODE: Final = "byok8s-mode"  # an object's metadata: permissions, kept for what is executable


class Damaged(Exception):
    """A file that arrives otherwise than it was sent, in either direction."""


class Missing(Exception):
    """An input is not in the bucket."""


@dataclass(frozen=True)
class _Download:
    """One object and where it goes. optional: it need not be there. shared: other jobs take it, too."""

    bucket: str
    key: str
    path: Path
    size: int = -1
    optional: bool = False
    shared: bool = False


class Transfer:
    """Between the bucket and the working folder of this process.

    cache: what the worker keeps for other jobs. claim: what workers and runs keep for each other.
    """

    def __init__(
        self, connection: Connection, cache: Cache | None = None, claim: ClaimCache | None = None
    ) -> None:
        self._connection, self._cache, self._claim = connection, cache, claim
        self._client: Any = connection.client
        self._moved, self._lock = Counter[str](), threading.Lock()
        self._large = threading.Semaphore(LARGE_AT_ONCE)

    def moved(self) -> Mapping[str, int]:
        """Return how many bytes of files went which way, by the names of byok8s.worker.measured."""
        with self._lock:
            return dict.fromkeys(BYTES, 0) | self._moved

    def _count(self, way: str, size: int) -> None:
        with self._lock:
            self._moved[way] += size

    def fetch(self, files: Iterable[File]) -> None:
        """Bring inputs, and former contents of outputs that are updated. Raises Missing or StorageError."""
        wanted = list({file.path: file for file in files if file.stored}.values())
        whole = self._each(self._fetch_whole, wanted)
        parts = [
            part for file, done in zip(wanted, whole, strict=True) if not done for part in self._inside(file)
        ]
        self._each(self._download, list({part.path: part for part in parts}.values()))
        if self._cache:
            self._cache.close()

    def store(self, files: Iterable[File], open_: Open | None = None) -> list[Stored]:
        """Put files and directories where they belong. open_: opens those that others may exchange meanwhile.

        Raises Unstorable or StorageError, and Outside for a file that leads out of the job's folder.
        """
        wanted = [file for file in files if file.stored]
        return self._each(lambda file: self._store(file, open_), wanted)

    def bring(self, environment: Environment, *, linked: bool) -> None:
        """Bring a conda environment to its place. linked: a link will do. Raises Unusable or StorageError."""
        conda.bring(environment, self._connection, linked=linked)

    def _each(self, action: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if len(items) < 2:
            return [action(item) for item in items]
        with ThreadPoolExecutor(min(THREADS, len(items))) as pool:
            return list(pool.map(action, items))

    # -- down --

    def _fetch_whole(self, file: File) -> bool:
        """Fetch a file; return False when it is a directory, whose files are to be listed first."""
        if file.directory:
            return False
        item = _Download(file.bucket, file.key, Path(file.path), file.size, optional=True, shared=file.shared)
        return self._download(item)

    def _inside(self, file: File) -> list[_Download]:
        """List the files of a directory, and make its folders. Raises Missing when there is none."""
        from snakemake_storage_plugin_byok8s.tree import stands_for_folder

        found, folder = self._list(file), Path(file.path)
        if not found:
            if file.update:
                return []
            raise Missing(f"There is no s3://{file.bucket}/{file.key}.")
        folder.mkdir(parents=True, exist_ok=True)
        items = []
        for key, size in found.items():
            name = key[len(file.key) + 1 :]
            path = _inside(folder, name, f"s3://{file.bucket}/{key}")
            if name == "" or stands_for_folder(name):
                path.mkdir(parents=True, exist_ok=True)
            else:
                items.append(_Download(file.bucket, key, path, size, shared=file.shared))
        return items

    def _list(self, file: File) -> dict[str, int]:
        prefix, found = f"{file.key}/", dict[str, int]()
        more: dict[str, str] = {}
        while True:
            with self._connection.explained("ListObjectsV2", f"s3://{file.bucket}/{prefix}"):
                page = self._client.list_objects_v2(Bucket=file.bucket, Prefix=prefix, **more)
            found.update({item["Key"]: item["Size"] for item in page.get("Contents", ())})
            if not page["IsTruncated"]:
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _download(self, item: _Download) -> bool:
        """Return whether it was there."""
        item.path.parent.mkdir(parents=True, exist_ok=True)
        part = item.path.with_name(f".{item.path.name[:200]}.byok8s-part")
        with self._connection.explained("download", f"s3://{item.bucket}/{item.key}"):
            if item.shared and self._copied(item, part):
                part.replace(item.path)
                self._count("cached_bytes", item.path.stat().st_size)
                return True
            answer, way = self._from_claim(item, part), "cached_bytes"
            if answer is None:
                try:
                    answer, way = self._get_whole(item, part), "fetched_bytes"
                except self._client.exceptions.NoSuchKey:
                    if item.optional:
                        return False
                    raise
        self._count(way, part.stat().st_size)
        modified = answer["LastModified"].timestamp()
        os.utime(part, (modified, modified))
        if mode := answer.get("Metadata", {}).get(MODE):
            part.chmod(int(mode, 8) & 0o777)
        part.replace(item.path)
        if item.shared and self._cache:
            self._cache.add(item.bucket, item.key, answer.get("ETag", ""), item.path)
        if item.shared and self._claim and way == "fetched_bytes":
            self._claim.add(checksum_of(answer), item.path)
        return True

    def _from_claim(self, item: _Download, part: Path) -> Mapping[str, Any] | None:
        """Copy what the claim has of an object, and return what the bucket says of the object; else None."""
        if not self._claim or 0 <= item.size < SMALLEST_BYTES:
            return None
        try:
            answer: Mapping[str, Any] = self._client.head_object(Bucket=item.bucket, Key=item.key)
        except self._client.exceptions.ClientError:
            return None  # the download will tell
        size = answer["ContentLength"]
        if item.size not in {-1, size}:
            return None  # so it will of what was changed since the run began
        return answer if self._claim.copy(checksum_of(answer), size, part) else None

    def _copied(self, item: _Download, part: Path) -> bool:
        """Copy an object from the cache, if it is there and the bucket still has the same."""
        entry = self._cache.find(item.bucket, item.key) if self._cache else None
        if not self._cache or not entry:
            return False
        try:
            answer = self._client.head_object(Bucket=item.bucket, Key=item.key)
        except self._client.exceptions.ClientError:
            return False  # the download will tell
        if (answer.get("ETag"), answer.get("ContentLength")) != (entry.etag, entry.size):
            return False
        self._cache.copy(entry, part)
        return True

    def _get_whole(self, item: _Download, part: Path) -> Mapping[str, Any]:
        """Get an object, again when something on the way has cut or changed it. Raises Damaged."""
        from snakemake_storage_plugin_byok8s.whole import TRIES, is_whole

        if item.size > PARTS_BYTES:
            return self._get_by_parts(item, part)
        for _ in range(TRIES):
            answer = self._get(item, part)
            if is_whole(part, item.size) and not _differs(part, answer):
                return answer
        raise Damaged(
            f"s3://{item.bucket}/{item.key} does not arrive as it is stored: {part.stat().st_size} bytes came, "
            f"{TRIES} times"
        )

    def _get_by_parts(self, item: _Download, part: Path) -> Mapping[str, Any]:
        """Get a large object, which is compared with its checksum, if it is known to have one. Raises Damaged."""
        from snakemake_storage_plugin_byok8s.receive import Incoming, Receiving
        from snakemake_storage_plugin_byok8s.whole import NotWhole

        with self._large:
            answer: Mapping[str, Any] = self._client.head_object(Bucket=item.bucket, Key=item.key)
            tag, modified = answer["ETag"].strip('"'), answer["LastModified"].timestamp()
            file = Incoming(
                item.key, item.key, part, item.size, tag, modified, not _has_sum(answer, item.size)
            )
            try:
                Receiving(self._connection, item.bucket, lambda _: None).receive([file])
            except NotWhole as error:
                raise Damaged(str(error)) from error
        return answer

    def _get(self, item: _Download, part: Path) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._connection.shortcut.get_object(Bucket=item.bucket, Key=item.key)
        with part.open("wb") as opened:
            shutil.copyfileobj(answer["Body"], opened, CHUNK_BYTES)
        return answer

    # -- up --

    def _store(self, file: File, open_: Open | None) -> Stored:
        path = Path(file.path)
        if path.is_dir():
            return self._store_directory(file, path, open_)
        return self._put_held(file.bucket, file.key, path, open_)

    def _put_held(self, bucket: str, key: str, path: Path, open_: Open | None) -> Stored:
        if open_ is None:
            return self._put(bucket, key, path)
        with held(path, open_) as same:
            return self._put(bucket, key, same)

    def _put(self, bucket: str, key: str, path: Path) -> Stored:
        status = path.stat()
        metadata = {MODE: f"{status.st_mode & 0o777:o}"} if status.st_mode & 0o111 else {}
        with self._connection.explained("upload", f"s3://{bucket}/{key}"):
            if status.st_size > PARTS_BYTES:
                answer = self._put_by_parts(bucket, key, path, metadata)
                modified = answer["LastModified"]
            else:
                answer = self._put_whole(bucket, key, path, metadata)
                # the answer to PUT does not say what LastModified became: it is the server's time of now
                modified = _server_time(answer)
        self._count("stored_bytes", status.st_size)
        return Stored(bucket, key, int(modified.timestamp()), status.st_size, etag=answer.get("ETag", ""))

    def _put_by_parts(
        self, bucket: str, key: str, path: Path, metadata: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Put a large file; S3 refuses a part that does not have its checksum. Raises Damaged."""
        from snakemake_storage_plugin_byok8s.send import Outgoing, Sending
        from snakemake_storage_plugin_byok8s.whole import NotWhole

        with self._large:
            try:
                file = Outgoing.of(path, key, tuple(metadata.items()))
                Sending(self._connection, bucket, lambda _: None).send([file])
            except NotWhole as error:
                raise Damaged(str(error)) from error
            answer: Mapping[str, Any] = self._client.head_object(Bucket=bucket, Key=key)
        return answer

    def _put_whole(self, bucket: str, key: str, path: Path, metadata: Mapping[str, str]) -> Mapping[str, Any]:
        """Put a file, again when S3 says that it got another, or does not say what it got. Raises Damaged."""
        from byok8s.worker.boto import SENT_AT_ONCE_BYTES
        from snakemake_storage_plugin_byok8s.whole import TRIES

        for _ in range(TRIES):
            request: dict[str, Any] = {"Bucket": bucket, "Key": key, "Metadata": metadata}
            with path.open("rb") as opened:
                answer: Mapping[str, Any] = (
                    self._connection.shortcut.put_object(**request, Body=opened.read())
                    if os.fstat(opened.fileno()).st_size <= SENT_AT_ONCE_BYTES
                    else self._client.put_object(**request, Body=opened)
                )
            if answer.get("ETag") and not _differs(path, answer):
                return answer
        raise Damaged(f"s3://{bucket}/{key} is not stored as it was sent, {TRIES} times")

    def _store_directory(self, file: File, path: Path, open_: Open | None) -> Stored:
        """Leave the files of this directory and no others in the bucket: a half, or an older one, may be there."""
        from snakemake_storage_plugin_byok8s.tree import mark, surplus, walk

        files, folders = walk(path)
        begun = self._mark(file.bucket, mark(file.key))
        other = surplus(file.key, self._list(file), [*files, *folders])
        stored = self._each(
            lambda name: self._put_held(file.bucket, f"{file.key}/{name}", path / name, open_), files
        )
        made = self._each(lambda name: self._mark(file.bucket, f"{file.key}/{name}"), folders)
        self._delete(file.bucket, other)
        newest = max((item.mtime for item in stored), default=max([begun, *made]))
        return Stored(file.bucket, file.key, newest, sum(item.size for item in stored), directory=True)

    def _mark(self, bucket: str, key: str) -> int:
        """Put an empty object, which stands for an empty folder or for an upload under way. Return its time."""
        with self._connection.explained("upload", f"s3://{bucket}/{key}"):
            answer = self._client.put_object(Bucket=bucket, Key=key)
        return int(_server_time(answer).timestamp())

    def _delete(self, bucket: str, keys: Sequence[str]) -> None:
        def delete(key: str) -> None:
            with self._connection.explained("DeleteObject", f"s3://{bucket}/{key}"):
                self._client.delete_object(Bucket=bucket, Key=key)

        self._each(delete, keys[:-1])
        self._each(delete, keys[-1:])  # the mark, when all else is as it shall be


def _server_time(answer: Mapping[str, Any]) -> datetime:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def _differs(path: Path, answer: Mapping[str, Any]) -> bool:
    """Return whether S3's answer says that it holds something else than a file.

    Not every server that encrypts tells the MD5 sum of what it was given.
    """
    from snakemake_storage_plugin_byok8s.whole import is_as_stored

    return not answer.get("ServerSideEncryption") and is_as_stored(path, answer.get("ETag", "")) is False


def _has_sum(answer: Mapping[str, Any], size: int) -> bool:
    """Return whether an answer to HEAD has a checksum that a file can be compared with."""
    from snakemake_storage_plugin_byok8s import etag
    from snakemake_storage_plugin_byok8s.send import CRC, SUM

    noted = answer.get("Metadata", {}).keys() & {CRC, SUM}
    is_plain = answer.get("ServerSideEncryption", "AES256") == "AES256"
    return bool(noted) or (is_plain and etag.tells(answer["ETag"].strip('"'), size))


def _inside(folder: Path, name: str, address: str) -> Path:
    from snakemake_storage_plugin_byok8s.paths import Outside, inside

    try:
        return inside(folder, name)
    except Outside as error:
        raise Missing(f"The key {address} would be outside its directory") from error


def connection(settings: Mapping[str, Any]) -> Connection:
    """Return a connection with the controller's settings, and keys from the environment or the credentials' file."""
    import logging

    from snakemake_storage_plugin_byok8s.connection import Connection, ServerSettings

    keys: dict[str, Any] = {
        name: os.environ.get(f"SNAKEMAKE_STORAGE_BYOK8S_{name.upper()}")
        for name in ("access_key", "secret_key", "token")
    }
    return Connection(ServerSettings(**{**settings, **keys}), logging.getLogger("byok8s"), forks=True)
