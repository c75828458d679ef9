"""The ETag that S3 gives a file: by it an object in the bucket is told from a file on this machine, without a request.

Of an object that was put in one piece it is the MD5 sum; of one that was put in parts the MD5 sum of their sums, and
how many there were (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). A bucket that encrypts with a
key of its own (SSE-KMS) has others, which tell nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from snakemake_storage_plugin_byok8s import checksum
from snakemake_storage_plugin_byok8s.checksum import MIB, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PART_BYTES: Final = 8 * MIB
_MOST_PARTS: Final = 9_000  # S3 takes 10,000
# of the AWS CLI and boto3, s5cmd, rclone, s3cmd, the console, MinIO's and Google's tools
_USUAL_PARTS: Final = tuple(size * MIB for size in (8, 5, 10, 15, 16, 17, 32, 50, 64, 100, 128))
_SHAPE: Final = re.compile(r"[0-9a-f]{32}(-\d+)?")


def part_bytes(size: int) -> int:
    """Return how large the parts of a file are: the same for each try, so that one goes on with another's."""
    least = -(-size // _MOST_PARTS)
    return max(PART_BYTES, -(-least // MIB) * MIB)


def parts(size: int, each: int) -> list[Part]:
    """Return the parts of a file of so many bytes; of an empty one none."""
    return [
        Part(number, offset, min(each, size - offset))
        for number, offset in enumerate(range(0, size, each), start=1)
    ]


def md5_of(path: Path, offset: int, length: int) -> str:
    """Return the MD5 sum of a part of a file, in hexadecimal."""
    return checksum.of_part(path, Part(1, offset, length), checksum.md5)[0]


def sums(path: Path, pieces: Sequence[Part]) -> list[str]:
    """Return the MD5 sums of a file's parts."""
    return [md5 for (md5,) in checksum.of_parts(path, pieces, checksum.md5)]


def joined(each: Sequence[str]) -> str:
    """Return the ETag of parts with these MD5 sums."""
    return checksum.joined(each, checksum.md5)


def of_file(path: Path, size: int) -> str:
    """Return the ETag that a file of this size gets when byok8s uploads it."""
    pieces = parts(size, part_bytes(size))
    return md5_of(path, 0, size) if len(pieces) < 2 else joined(sums(path, pieces))


def is_sum(etag: str) -> bool:
    """Return whether an ETag has the form of a checksum."""
    return _SHAPE.fullmatch(etag) is not None


def matches(etag: str, path: Path, size: int) -> bool:
    """Return whether an object of the file's size is known by its ETag to have the file's content."""
    if not is_sum(etag):
        return False
    _, _, count = etag.partition("-")
    if not count:
        return md5_of(path, 0, size) == etag
    return any(joined(sums(path, pieces)) == etag for pieces in _cuts(size, int(count)))


def tells(etag: str, size: int) -> bool:
    """Return whether an ETag has the form of a checksum that a file of this size can be compared with."""
    _, _, count = etag.partition("-")
    return is_sum(etag) and (not count or next(_cuts(size, int(count)), None) is not None)


def cut(etag: str, size: int) -> list[Part]:
    """Return the parts that an object seems to have been put in, by its ETag; else those that byok8s would make."""
    _, _, count = etag.partition("-")
    found = next(_cuts(size, int(count)), None) if is_sum(etag) and int(count or 1) > 1 else None
    return found or parts(size, part_bytes(size))


def _cuts(size: int, count: int) -> Iterator[list[Part]]:
    """Yield the usual ways to cut a file into so many parts."""
    for each in dict.fromkeys((part_bytes(size), *_USUAL_PARTS)):
        if -(-size // each) == count:
            yield parts(size, each)
