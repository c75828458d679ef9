"""Files of a bucket, brought to this machine: in parallel, large ones by parts, and whole or not there.

A download that was cut off, by a kill or a fault, is gone on with: what has come of a large file stays beside its
place, with a note of the parts that are whole, under a name that belongs to this content of the object. S3 is asked for
that content alone (If-Match), and the file is compared with the object's checksum before it gets its name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_byok8s import etag
from snakemake_storage_plugin_byok8s.halves import Half, half_of
from snakemake_storage_plugin_byok8s.parallel import each_file
from snakemake_storage_plugin_byok8s.send import SUM
from snakemake_storage_plugin_byok8s.whole import TRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from snakemake_storage_plugin_byok8s.connection import Connection

_BLOCK: Final = etag.MIB
_CUT_OFF: Final = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_OTHER_CONTENT: Final = frozenset({"PreconditionFailed", "412"})


@dataclass(frozen=True)
class Incoming:
    """An object, as it was listed, and where it goes. name: for people. tag: its ETag. modified: seconds since 1970."""

    name: str
    key: str
    path: Path
    size: int
    tag: str
    modified: float

    def parts(self) -> list[etag.Part]:
        """Return the parts that it is fetched in."""
        return etag.parts(self.size, etag.part_bytes(self.size)) or [etag.Part(1, 0, 0)]


class Receiving:
    """From one bucket. tell: is called with the bytes that came, or need not come, by any thread."""

    def __init__(self, connection: Connection, bucket: str, tell: Callable[[int], object]) -> None:
        self._connection, self._bucket, self._tell = connection, bucket, tell

    def receive(self, files: Sequence[Incoming], done: Callable[[Incoming], None] = lambda _: None) -> None:
        """Download files. done: is called with each that is there.

        Raises WorkflowError for the first that cannot be, and OSError for a place that cannot be written to.
        """
        each_file(files, lambda file, parts: self._file(file, parts, done))

    def _file(self, file: Incoming, parts: ThreadPoolExecutor, done: Callable[[Incoming], None]) -> None:
        address = f"s3://{self._bucket}/{file.key}"
        pieces, judge = file.parts(), _Judge(self._connection, self._bucket, file)
        content = f"{address} {file.tag} {file.size}"
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with half_of(file.path, content if len(pieces) > 1 else "") as half:
            for _ in range(TRIES):
                self._fill(half, file, pieces, parts)
                if judge.is_whole(half.path):
                    break
                half.forget()
                self._tell(-file.size)
            else:
                raise _not_whole(file, address)
            os.utime(half.path, (file.modified, file.modified))
            half.path.replace(file.path)
        done(file)

    def _fill(
        self, half: Half, file: Incoming, pieces: Sequence[etag.Part], parts: ThreadPoolExecutor
    ) -> None:
        if len(pieces) == 1:
            self._part(half, file, pieces[0])
        else:
            list(parts.map(lambda part: self._part(half, file, part), pieces))

    def _part(self, half: Half, file: Incoming, part: etag.Part) -> None:
        """Fetch a part, again if it is cut off on its way."""
        if half.has(part.number):
            self._tell(part.length)
            return
        address = f"s3://{self._bucket}/{file.key}"
        for _ in range(TRIES):
            with self._connection.explained("GetObject", address):
                came = self._get(half, file, part)
            if came == part.length:
                half.note(part.number)
                return
            self._tell(-came)
        raise _not_whole(file, address)

    def _get(self, half: Half, file: Incoming, part: etag.Part) -> int:
        """Return how many bytes came."""
        request = {"Bucket": self._bucket, "Key": file.key}
        if file.tag:
            request["IfMatch"] = f'"{file.tag}"'
        get = self._connection.shortcut.get_object
        if part.length < file.size:
            request["Range"] = f"bytes={part.offset}-{part.offset + part.length - 1}"
            get = self._connection.client.get_object
        try:
            answer = get(**request)
        except ClientError as error:
            if error.response["Error"].get("Code") in _OTHER_CONTENT:
                raise WorkflowError(
                    f"{file.name} was changed in the bucket meanwhile: start again."
                ) from error
            raise
        return self._copy(answer["Body"], half, part)

    def _copy(self, body: Any, half: Half, part: etag.Part) -> int:
        came = 0
        try:
            while block := body.read(_BLOCK):
                half.write(block, part.offset + came)
                came += len(block)
                self._tell(len(block))
        except _CUT_OFF:
            body.close()
        return came


def _not_whole(file: Incoming, address: str) -> WorkflowError:
    return WorkflowError(
        f"{file.name} does not come as it is in the bucket, {TRIES} times. It is {address}, {file.size} bytes. "
        "Something on the way to S3 changes it; or it was changed meanwhile: start again."
    )


class _Judge:
    """Of what came of one file. If no checksum of the bucket's tells, the same has to come twice."""

    def __init__(self, connection: Connection, bucket: str, file: Incoming) -> None:
        self._connection, self._bucket, self._file = connection, bucket, file
        self._came: set[str] = set()

    def is_whole(self, half: Path) -> bool:
        """Return whether it is what the bucket has."""
        size = half.stat().st_size
        if size != self._file.size:
            return False
        if etag.matches(self._file.tag, half, size):
            return True
        came = etag.of_file(half, size)
        if told := self._told():
            return came == told
        twice = came in self._came
        self._came.add(came)
        return twice

    def _told(self) -> str:
        """Return the checksum that byok8s has noted, or the ETag where that should be one; else an empty text."""
        key, tag = self._file.key, self._file.tag
        with self._connection.explained("HeadObject", f"s3://{self._bucket}/{key}"):
            head = self._connection.client.head_object(Bucket=self._bucket, Key=key)
        whole = etag.is_sum(tag) and "-" not in tag
        is_sum = whole and head.get("ServerSideEncryption", "AES256") == "AES256"
        return str(head.get("Metadata", {}).get(SUM) or (tag if is_sum else ""))
