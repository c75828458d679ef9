"""Files of a bucket, brought to this machine: in parallel, large ones by parts, and whole or not there.

A download that was cut off, by a kill or a fault, is gone on with: what has come of a large file stays beside its
place, with a note of the parts that are whole, under a name that belongs to this content of the object. S3 is asked for
that content alone (If-Match), and the file is compared with the object's checksum before it gets its name: each part is
added up as it comes, so it need not be read again.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from snakemake_interface_common.exceptions import WorkflowError

from byok8s.worker.boto import SENT_AT_ONCE_BYTES
from snakemake_storage_plugin_byok8s import checksum, etag
from snakemake_storage_plugin_byok8s.halves import Half, half_of
from snakemake_storage_plugin_byok8s.model import GET
from snakemake_storage_plugin_byok8s.parallel import each_file
from snakemake_storage_plugin_byok8s.send import CRC, SUM
from snakemake_storage_plugin_byok8s.whole import TRIES, NotWhole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from snakemake_storage_plugin_byok8s.connection import Connection

    Begin = Callable[[], checksum.Digest]
    Get = Callable[..., Mapping[str, Any]]
    Map = Callable[[Callable[[checksum.Part], None], Sequence[checksum.Part]], Iterable[None]]

_BLOCK: Final = 256 * 1024  # which a processor's cache holds from the network to the disk
_CUT_OFF: Final = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_OTHER_CONTENT: Final = frozenset({"PreconditionFailed", "412"})


@dataclass(frozen=True)
class Incoming:
    """An object, as it was listed, and where it goes. name: for people. tag: its ETag. modified: seconds since 1970.

    size_suffices: whether it is not fetched a second time if no checksum of the bucket's tells.
    """

    name: str
    key: str
    path: Path
    size: int
    tag: str
    modified: float
    size_suffices: bool = False

    def parts(self) -> list[checksum.Part]:
        """Return the parts that it is fetched in."""
        return etag.cut(self.tag, self.size) or [checksum.Part(1, 0, 0)]

    def is_small(self) -> bool:
        """Return whether it is had in memory as a whole. No tool cuts what is so small into parts."""
        return self.size <= SENT_AT_ONCE_BYTES

    def request(self, bucket: str, part: checksum.Part | None = None) -> Mapping[str, str]:
        """Return what is asked of S3 for a part of it, or for all."""
        asked = {"Bucket": bucket, "Key": self.key}
        if self.tag:
            asked["IfMatch"] = f'"{self.tag}"'
        if part and part.length < self.size:
            asked["Range"] = f"bytes={part.offset}-{part.offset + part.length - 1}"
        return asked


class Receiving:
    """From one bucket. tell: is called with the bytes that came, or need not come, by any thread."""

    def __init__(self, connection: Connection, bucket: str, tell: Callable[[int], object]) -> None:
        self._connection, self._bucket, self._tell = connection, bucket, tell

    def receive(self, files: Sequence[Incoming], done: Callable[[Incoming], None] = lambda _: None) -> None:
        """Download files. done: is called with each that is there.

        Raises WorkflowError for the first that cannot be, and OSError for a place that cannot be written to.
        """
        for folder in {file.path.parent for file in files}:
            folder.mkdir(parents=True, exist_ok=True)
        shortcut = self._connection.shortcut

        def one(file: Incoming, get: Get, each: Map = map) -> None:
            _Coming(self._connection, self._bucket, self._tell, file, get).come(each)
            done(file)

        few = not shortcut.has_many()
        small = [file for file in files if not few and file.is_small()]
        others = [file for file in files if few or not file.is_small()]
        if small and not shortcut.knows(GET, self._bucket):
            one(small.pop(0), shortcut.get_object)
        for file, answer in shortcut.get_objects((file, file.request(self._bucket)) for file in small):
            if answer:
                one(file, _Come(answer, shortcut.get_object))
            else:
                others.append(file)
        each_file(others, lambda file, parts: one(file, shortcut.get_object, parts.map))


class _Come:
    """Do as get_object, with an answer that is there already to the first time that it is asked."""

    def __init__(self, answer: Mapping[str, Any], get: Get) -> None:
        self._answer: Mapping[str, Any] | None = answer
        self._get = get

    def __call__(self, **request: str) -> Mapping[str, Any]:
        answer, self._answer = self._answer, None
        return answer or self._get(**request)


class _Coming:
    """One file that comes. get: asks for an object, as the connection's get_object."""

    def __init__(
        self, connection: Connection, bucket: str, tell: Callable[[int], object], file: Incoming, get: Get
    ) -> None:
        self._connection, self._bucket, self._tell, self._file, self._get = (
            connection,
            bucket,
            tell,
            file,
            get,
        )
        self._address = f"s3://{bucket}/{file.key}"
        self._judge = _Judge(connection, bucket, file)

    def come(self, each: Map) -> None:
        """Fetch it, until it is whole. each: fetches parts, if there are several."""
        file, judge = self._file, self._judge
        each = each if len(judge.pieces) > 1 else map
        content = f"{self._address} {file.tag} {file.size}"
        with half_of(file.path, content if len(judge.pieces) > 1 else "") as half:
            for _ in range(TRIES):
                for _ in each(lambda part: self._part(half, part), judge.pieces):
                    pass
                if judge.is_whole(half.path):
                    break
                half.forget()
                judge.forget()
                self._tell(-file.size)
            else:
                raise self._not_whole()
            os.utime(half.path, (file.modified, file.modified))
            half.path.replace(file.path)

    def _part(self, half: Half, part: checksum.Part) -> None:
        """Fetch a part, again if it is cut off on its way."""
        if half.has(part.number):
            self._tell(part.length)
            return
        for _ in range(TRIES):
            with self._connection.explained("GetObject", self._address):
                came = self._ask(half, part)
            if came == part.length:
                half.note(part.number)
                return
            self._tell(-came)
        raise self._not_whole()

    def _ask(self, half: Half, part: checksum.Part) -> int:
        """Return how many bytes came."""
        try:
            answer = self._get(**self._file.request(self._bucket, part))
        except ClientError as error:
            if error.response["Error"].get("Code") in _OTHER_CONTENT:
                raise WorkflowError(
                    f"{self._file.name} was changed in the bucket meanwhile: start again."
                ) from error
            raise
        with self._judge.adding_up(part, answer.get("Metadata", {})) as add:
            return self._copy(answer, half, part, add)

    def _copy(
        self, answer: Mapping[str, Any], half: Half, part: checksum.Part, add: Callable[[bytes], object]
    ) -> int:
        body, came = answer["Body"], 0
        try:
            for block in self._blocks(answer):
                add(block)
                half.write(block, part.offset + came)
                came += len(block)
                self._tell(len(block))
        except _CUT_OFF:
            body.close()
        return came

    def _blocks(self, answer: Mapping[str, Any]) -> Iterable[bytes]:
        """Return what comes; all at once if it is as small as it should be."""
        body, length = answer["Body"], answer["ResponseMetadata"]["HTTPHeaders"].get("content-length")
        if self._file.is_small() and length == str(self._file.size):
            return (body.read(),)
        return iter(lambda: body.read(_BLOCK), b"")

    def _not_whole(self) -> NotWhole:
        return NotWhole(
            f"{self._file.name} does not come as it is in the bucket, {TRIES} times. It is {self._address}, "
            f"{self._file.size} bytes. "
            "Something on the way to S3 changes it; or it was changed meanwhile: start again."
        )


class _Judge:
    """Of what came of one file. If no checksum of the bucket's tells, the same has to come twice. Any thread may call.

    pieces: the parts that it comes in.
    """

    def __init__(self, connection: Connection, bucket: str, file: Incoming) -> None:
        self._connection, self._bucket, self.file = connection, bucket, file
        self.pieces = file.parts()
        self._as_sent = self.pieces == etag.parts(file.size, etag.part_bytes(file.size))
        self._crc = ""
        self._added: dict[tuple[int, Begin], str] = {}
        self._came: set[str] = set()

    @contextmanager
    def adding_up(
        self, part: checksum.Part, metadata: Mapping[str, str]
    ) -> Iterator[Callable[[bytes], object]]:
        """Add up a part that comes, of an object with this metadata, in the way that will tell whether it is whole."""
        if self._as_sent and metadata.get(CRC):
            self._crc = metadata[CRC]
        begin: Begin = checksum.Crc32 if self._crc else checksum.md5
        if not self._crc and not self._has_sum_of_parts():
            yield lambda _: None
            return
        digest = begin()
        yield digest.update
        self._added[part.number, begin] = digest.hexdigest()

    def _has_sum_of_parts(self) -> bool:
        return etag.is_sum(self.file.tag) and (len(self.pieces) == 1 or "-" in self.file.tag)

    def forget(self) -> None:
        """Know nothing of what came: it comes again."""
        self._added.clear()

    def is_whole(self, half: Path) -> bool:
        """Return whether it is what the bucket has."""
        size, tag = half.stat().st_size, self.file.tag
        if size != self.file.size:
            return False
        if self._crc and self._crc == checksum.joined(self._sums(half, checksum.Crc32), checksum.Crc32):
            return True
        if self._has_sum_of_parts() and not self._crc:
            sums = self._sums(half, checksum.md5)
            if tag == (etag.joined(sums) if "-" in tag else sums[0]):
                return True
        if self.file.size_suffices or etag.matches(tag, half, size):
            return True
        came = etag.of_file(half, size)
        if told := self._told():
            return came == told
        twice = came in self._came
        self._came.add(came)
        return twice

    def _sums(self, half: Path, begin: Begin) -> list[str]:
        """Return the checksums of the parts; of those that were there already, from the disk."""
        there = [part for part in self.pieces if (part.number, begin) not in self._added]
        for part, (found,) in zip(there, checksum.of_parts(half, there, begin), strict=True):
            self._added[part.number, begin] = found
        return [self._added[part.number, begin] for part in self.pieces]

    def _told(self) -> str:
        """Return the checksum that byok8s has noted, or the ETag where that should be one; else an empty text."""
        key, tag = self.file.key, self.file.tag
        with self._connection.explained("HeadObject", f"s3://{self._bucket}/{key}"):
            head = self._connection.client.head_object(Bucket=self._bucket, Key=key)
        whole = etag.is_sum(tag) and "-" not in tag
        is_sum = whole and head.get("ServerSideEncryption", "AES256") == "AES256"
        return str(head.get("Metadata", {}).get(SUM) or (tag if is_sum else ""))
