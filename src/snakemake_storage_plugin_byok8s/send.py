"""Files of this machine, put into a bucket: in parallel, large ones by parts, and whole or not at all.

An upload that was cut off, by a kill or a fault, is gone on with: the parts that S3 has are compared with the file's
by their MD5 sums, and only the others are sent. S3 is told the sum of all that it is sent, and refuses what does not
have it. A part is read as it is sent, so memory is bounded by the threads, not by the files.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from s3transfer.utils import ReadFileChunk
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_byok8s import etag
from snakemake_storage_plugin_byok8s.connection import SENT_AT_ONCE_BYTES
from snakemake_storage_plugin_byok8s.facts import Facts
from snakemake_storage_plugin_byok8s.parallel import each_file
from snakemake_storage_plugin_byok8s.whole import TRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from snakemake_storage_plugin_byok8s.connection import Connection

SUM: Final = "byok8s-etag"  # in an object's metadata: for a bucket whose own ETags tell nothing
_REFUSED_SUM: Final = frozenset({"BadDigest", "InvalidDigest"})


@dataclass(frozen=True)
class Outgoing:
    """A file and its key. size: in bytes; mtime_ns: both as they were when the upload was decided on."""

    path: Path
    key: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path, key: str) -> Outgoing:
        found = path.stat()
        return cls(path, key, found.st_size, found.st_mtime_ns)

    def is_unchanged(self) -> bool:
        found = self.path.stat()
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


class Sending:
    """To one bucket. tell: is called with the bytes that were sent, or need not be, by any thread."""

    def __init__(self, connection: Connection, bucket: str, tell: Callable[[int], object]) -> None:
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
        each_file(files, lambda file, parts: self._file(file, parts, done))

    def _file(
        self, file: Outgoing, parts: ThreadPoolExecutor, done: Callable[[Outgoing, Facts], None]
    ) -> None:
        with self._connection.explained("upload", f"s3://{self._bucket}/{file.key}"):
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
        if not file.is_unchanged():
            self._client.delete_object(Bucket=self._bucket, Key=file.key)
        self._check(file)
        return _facts(answer, file.size)

    def _put_small(self, file: Outgoing) -> Mapping[str, Any]:
        with file.path.open("rb") as opened:
            body = opened.read(file.size)
        whole = etag.md5(body)

        def put(md5: str) -> Mapping[str, Any]:
            self._tell(file.size)
            return self._connection.shortcut.put_object(
                Bucket=self._bucket, Key=file.key, Body=body, ContentMD5=md5, Metadata={SUM: whole}
            )

        return self._checked(file, file.size, whole, put)

    def _put_large(self, file: Outgoing) -> Mapping[str, Any]:
        whole = etag.md5_of(file.path, 0, file.size)

        def put(md5: str) -> Mapping[str, Any]:
            with self._opened(file, 0, file.size) as body:
                answer: Mapping[str, Any] = self._client.put_object(
                    Bucket=self._bucket, Key=file.key, Body=body, ContentMD5=md5, Metadata={SUM: whole}
                )
                return answer

        return self._checked(file, file.size, whole, put)

    def _by_parts(self, file: Outgoing, pieces: Sequence[etag.Part], parts: ThreadPoolExecutor) -> Facts:
        sums = etag.sums(file.path, pieces)
        self._check(file)
        upload, there = self._begun(file.key)
        if upload:
            answer = self._completed(file, upload, pieces, parts, sums, there)
            if self._noted(file.key) == etag.joined(sums):
                return _facts(answer, file.size)
            # another's, or begun when the file was another: the object is the file, but what is noted at it is not
            self._tell(-file.size)
        metadata = {SUM: etag.joined(sums)}
        upload = self._client.create_multipart_upload(Bucket=self._bucket, Key=file.key, Metadata=metadata)[
            "UploadId"
        ]
        return _facts(self._completed(file, upload, pieces, parts, sums, {}), file.size)

    def _completed(
        self,
        file: Outgoing,
        upload: str,
        pieces: Sequence[etag.Part],
        parts: ThreadPoolExecutor,
        sums: Sequence[str],
        there: Mapping[int, str],
    ) -> Mapping[str, Any]:
        """Send what an upload lacks of a file, and complete it. there: the MD5 sums of the parts that it has."""

        def send(part: etag.Part, md5: str) -> str:
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

    def _noted(self, key: str) -> str:
        """Return the sum that is noted at an object."""
        head = self._client.head_object(Bucket=self._bucket, Key=key)
        return str(head["Metadata"].get(SUM, ""))

    def _begun(self, key: str) -> tuple[str, dict[int, str]]:
        """Return the upload of a key that an earlier run has begun, with the sums of its parts; "" if there is none."""
        try:
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key).get("Uploads", ())
            ours = [each["UploadId"] for each in found if each["Key"] == key]
            if not ours:
                return "", {}
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self._bucket, Key=key, UploadId=ours[-1]
            )
            parts = [part for page in pages for part in page.get("Parts", ())]
        except ClientError:
            # a server that does not list them, or keys that may not: then it is sent from its beginning
            return "", {}
        return ours[-1], {part["PartNumber"]: part["ETag"].strip('"') for part in parts}

    def _checked(
        self, file: Outgoing, length: int, md5: str, put: Callable[[str], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Send a file, or a part of it, until S3 has it as it is here. put: is given the MD5 sum as S3 wants it."""
        encoded = base64.b64encode(bytes.fromhex(md5)).decode()
        for _ in range(TRIES):
            try:
                answer = put(encoded)
            except ClientError as error:
                if error.response["Error"].get("Code") not in _REFUSED_SUM:
                    raise
                answer = {"ETag": "refused"}
            if answer.get("ServerSideEncryption") or str(answer["ETag"]).strip('"') == md5:
                return answer
            self._tell(-length)
            self._check(file)
        raise WorkflowError(
            f"{file.path} does not come to s3://{self._bucket}/{file.key} as it is here: S3 tells another checksum, "
            f"{TRIES} times. Something on the way to S3 changes it, or the disk here does."
        )

    def _opened(self, file: Outgoing, offset: int, length: int) -> ReadFileChunk:
        return ReadFileChunk.from_filename(str(file.path), offset, length, callbacks=[self._count])

    def _count(self, bytes_transferred: int) -> None:
        self._tell(bytes_transferred)


def _facts(answer: Mapping[str, Any], size: int) -> Facts:
    """Return what a listing would tell of what was just put; its time to the second."""
    time = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return Facts(int(time.timestamp()), size, etag=str(answer["ETag"]).strip('"'))
