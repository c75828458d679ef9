"""Files of this machine, put into a bucket: in parallel, large ones by parts, and whole or not at all.

An upload that was cut off, by a kill or a fault, is resumed if this folder has begun it and the file is still the
same: the parts that S3 has are compared with the file's by their MD5 sums, and only the others are sent. S3 is told the
sum of all that it is sent, and refuses what does not have it. A part is read as it is sent, so memory is bounded by the
threads, not by the files.
"""

from __future__ import annotations

import base64
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.utils import ReadFileChunk
from snakemake_interface_common.exceptions import WorkflowError

from byok8s.worker.boto import SENT_AT_ONCE_BYTES
from snakemake_storage_plugin_byok8s import checksum, etag
from snakemake_storage_plugin_byok8s.begun import Begun, Note, Upload
from snakemake_storage_plugin_byok8s.facts import Facts
from snakemake_storage_plugin_byok8s.model import PUT
from snakemake_storage_plugin_byok8s.parallel import each_file
from snakemake_storage_plugin_byok8s.whole import TRIES, NotWhole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from snakemake_storage_plugin_byok8s.connection import Connection

# in an object's metadata: the first for a bucket whose own ETags tell nothing; the other costs a download less.
# Both are of the parts that etag.part_bytes makes
SUM: Final = "byok8s-etag"
CRC: Final = "byok8s-crc32"
_REFUSED_SUM: Final = frozenset({"BadDigest", "InvalidDigest"})


@dataclass(frozen=True)
class Outgoing:
    """A file and its key. size: in bytes; mtime_ns: both as they were when the upload was decided on.

    metadata: of the object, in addition to its checksums.
    """

    path: Path
    key: str
    size: int
    mtime_ns: int
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, path: Path, key: str, metadata: tuple[tuple[str, str], ...] = ()) -> Outgoing:
        found = path.stat()
        return cls(path, key, found.st_size, found.st_mtime_ns, metadata)

    def is_unchanged(self) -> bool:
        found = self.path.stat()
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


class Sending:
    """To one bucket. tell: is called with the bytes that were sent, or need not be, by any thread.

    begun: the uploads that may be resumed. Of one that fails and is not among them no part is left.
    """

    def __init__(
        self,
        connection: Connection,
        bucket: str,
        tell: Callable[[int], object],
        begun: Begun | None = None,
    ) -> None:
        self._begun = begun or Begun(None)
        self._connection, self._client, self._bucket, self._tell = (
            connection,
            connection.client,
            bucket,
            tell,
        )

    def send(
        self, files: Sequence[Outgoing], done: Callable[[Outgoing, Facts], None] = lambda *_: None
    ) -> None:
        """Upload files. done: is called with each that is in the bucket, and what it is there.

        Raises WorkflowError for the first that cannot be; what is being sent then comes to its end.
        """
        each_file(self._others(files, done), lambda file, parts: self._file(file, parts, done))

    def _others(self, files: Sequence[Outgoing], done: Callable[[Outgoing, Facts], None]) -> list[Outgoing]:
        """Upload what there is a short way for. Return the others."""
        shortcut = self._connection.shortcut
        if not shortcut.has_many():
            return [*files]
        small = [file for file in files if file.size <= SENT_AT_ONCE_BYTES]
        others = [file for file in files if file.size > SENT_AT_ONCE_BYTES]
        if small and not shortcut.knows(PUT, self._bucket):
            file = small.pop(0)
            with self._explained(file):
                facts = self._at_once(file)
            done(file, facts)
        for (file, md5), answer in shortcut.put_objects(self._small(file) for file in small):
            if answer and _is_same(answer, md5):
                self._tell(file.size)
                with self._explained(file):
                    self._check_put(file)
                done(file, _facts(answer, file.size))
            else:
                others.append(file)
        return others

    def _small(self, file: Outgoing) -> tuple[tuple[Outgoing, str], Mapping[str, Any]]:
        """Return a small file and its MD5 sum, and the request that puts it."""
        with file.path.open("rb") as opened:
            body = opened.read(file.size)
        md5, crc = checksum.of(body, checksum.md5, checksum.Crc32)
        metadata = {**dict(file.metadata), **_noted(md5, crc)}
        request = {**self._at(file.key), "Body": body, "ContentMD5": _base64(md5), "Metadata": metadata}
        return (file, md5), request

    def _explained(self, file: Outgoing) -> AbstractContextManager[None]:
        return self._connection.explained("upload", f"s3://{self._bucket}/{file.key}")

    def _file(
        self, file: Outgoing, parts: ThreadPoolExecutor, done: Callable[[Outgoing, Facts], None]
    ) -> None:
        with self._explained(file):
            pieces = etag.parts(file.size, etag.part_bytes(file.size))
            facts = self._by_parts(file, pieces, parts) if len(pieces) > 1 else self._at_once(file)
        done(file, facts)

    def _check(self, file: Outgoing) -> None:
        if not file.is_unchanged():
            raise WorkflowError(
                f"{file.path} changed while it was uploaded. Start again when nobody writes to it any more."
            )

    def _at_once(self, file: Outgoing) -> Facts:
        answer = self._put_small(file) if file.size <= SENT_AT_ONCE_BYTES else self._put_large(file)
        self._check_put(file)
        return _facts(answer, file.size)

    def _check_put(self, file: Outgoing) -> None:
        """Leave nothing of a file that changed while it was put. Raises WorkflowError for that."""
        if not file.is_unchanged():
            self._client.delete_object(**self._at(file.key))
        self._check(file)

    def _put_small(self, file: Outgoing) -> Mapping[str, Any]:
        (_, whole), request = self._small(file)

        def put(_: str) -> Mapping[str, Any]:
            self._tell(file.size)
            return self._connection.shortcut.put_object(**request)

        return self._checked(file, file.size, whole, put)

    def _put_large(self, file: Outgoing) -> Mapping[str, Any]:
        piece = checksum.Part(1, 0, file.size)
        whole, crc = checksum.of_part(file.path, piece, checksum.md5, checksum.Crc32)

        def put(md5: str) -> Mapping[str, Any]:
            with self._opened(file, 0, file.size) as body:
                answer: Mapping[str, Any] = self._client.put_object(
                    Bucket=self._bucket,
                    Key=file.key,
                    Body=body,
                    ContentMD5=md5,
                    Metadata={**dict(file.metadata), **_noted(whole, crc)},
                )
                return answer

        return self._checked(file, file.size, whole, put)

    def _by_parts(self, file: Outgoing, pieces: Sequence[checksum.Part], parts: ThreadPoolExecutor) -> Facts:
        each = checksum.of_parts(file.path, pieces, checksum.md5, checksum.Crc32)
        sums, crcs = [md5 for md5, _ in each], [crc for _, crc in each]
        self._check(file)
        whole = etag.joined(sums)
        with self._begun.of(f"{self._connection.server} s3://{self._bucket}/{file.key}") as note:
            upload, there = self._cut_off(file.key, whole, note)
            if not upload:
                metadata = {**dict(file.metadata), **_noted(whole, *crcs)}
                upload = str(
                    self._client.create_multipart_upload(**self._at(file.key), Metadata=metadata)["UploadId"]
                )
                note.write(Upload(upload, whole))
            try:
                answer = self._completed(file, upload, pieces, parts, sums, there)
            except BaseException:
                if not note.lasts:
                    self._abort(file.key, upload)
                raise
        return _facts(answer, file.size)

    def _at(self, key: str) -> Mapping[str, str]:
        return {"Bucket": self._bucket, "Key": key}

    def _cut_off(self, key: str, whole: str, note: Note) -> tuple[str, dict[int, str]]:
        """Return the upload that was begun of this content, with the sums of its parts; "" if there is none."""
        noted = note.read()
        if not noted:
            return "", {}
        if noted.sum != whole:  # the file was another
            self._abort(key, noted.id)
            return "", {}
        try:
            pages = self._client.get_paginator("list_parts").paginate(**self._at(key), UploadId=noted.id)
            found = [part for page in pages for part in page.get("Parts", ())]
        except ClientError:
            # it is gone, or a server that does not list them, or keys that may not: then it is sent from its beginning
            return "", {}
        return noted.id, {part["PartNumber"]: part["ETag"].strip('"') for part in found}

    def _abort(self, key: str, upload: str) -> None:
        """Remove the parts of an upload of ours. What prevents it is left to `byok8s clean`."""
        with suppress(ClientError, BotoCoreError):
            self._client.abort_multipart_upload(**self._at(key), UploadId=upload)

    def _completed(
        self,
        file: Outgoing,
        upload: str,
        pieces: Sequence[checksum.Part],
        parts: ThreadPoolExecutor,
        sums: Sequence[str],
        there: Mapping[int, str],
    ) -> Mapping[str, Any]:
        """Send what an upload lacks of a file, and complete it. there: the MD5 sums of the parts that it has."""

        def send(part: checksum.Part, md5: str) -> str:
            if there.get(part.number) == md5:
                self._tell(part.length)
                return md5

            def put(base64_md5: str) -> Mapping[str, Any]:
                with self._opened(file, part.offset, part.length) as body:
                    answer: Mapping[str, Any] = self._client.upload_part(
                        Bucket=self._bucket,
                        Key=file.key,
                        UploadId=upload,
                        PartNumber=part.number,
                        Body=body,
                        ContentMD5=base64_md5,
                    )
                    return answer

            return str(self._checked(file, part.length, md5, put)["ETag"]).strip('"')

        tags = list(parts.map(send, pieces, sums))
        self._check(file)
        whole = [
            {"PartNumber": part.number, "ETag": f'"{tag}"'} for part, tag in zip(pieces, tags, strict=True)
        ]
        answer: Mapping[str, Any] = self._client.complete_multipart_upload(
            Bucket=self._bucket, Key=file.key, UploadId=upload, MultipartUpload={"Parts": whole}
        )
        return answer

    def _checked(
        self, file: Outgoing, length: int, md5: str, put: Callable[[str], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Send a file, or a part of it, until S3 has it as it is here. put: is given the MD5 sum as S3 wants it."""
        for _ in range(TRIES):
            try:
                answer = put(_base64(md5))
            except ClientError as error:
                if error.response["Error"].get("Code") not in _REFUSED_SUM:
                    raise
                answer = {"ETag": "refused"}
            if _is_same(answer, md5):
                return answer
            self._tell(-length)
            self._check(file)
        raise NotWhole(
            f"{file.path} does not come to s3://{self._bucket}/{file.key} as it is here: S3 tells another checksum, "
            f"{TRIES} times. Something on the way to S3 changes it, or the disk here does."
        )

    def _opened(self, file: Outgoing, offset: int, length: int) -> ReadFileChunk:
        return ReadFileChunk.from_filename(str(file.path), offset, length, callbacks=[self._count])

    def _count(self, bytes_transferred: int) -> None:
        self._tell(bytes_transferred)


def _noted(whole: str, *crcs: str) -> Mapping[str, str]:
    """Return what an object's metadata tell of its content. whole: its ETag. crcs: of its parts."""
    return {SUM: whole, CRC: checksum.joined(crcs, checksum.Crc32)}


def _base64(md5: str) -> str:
    return base64.b64encode(bytes.fromhex(md5)).decode()


def _is_same(answer: Mapping[str, Any], md5: str) -> bool:
    """Return whether S3 has what was sent, as far as it tells: not every server that encrypts tells the MD5 sum."""
    return bool(answer.get("ServerSideEncryption")) or str(answer.get("ETag")).strip('"') == md5


def _facts(answer: Mapping[str, Any], size: int) -> Facts:
    """Return what a listing would tell of what was just put; its time to the second."""
    time = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return Facts(int(time.timestamp()), size, etag=str(answer["ETag"]).strip('"'))
