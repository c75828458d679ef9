"""The checksums of a file's parts, and of its parts together, as S3 makes the ETag of an object that was put in parts.

MD5 is what ETags are of. CRC-32 costs a quarter of it, and finds what a network or a disk has changed just as well;
neither helps against somebody who changes it on purpose.
"""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MIB: Final = 1 << 20
_BLOCK: Final = MIB
_THREADS: Final = 4


class Part(NamedTuple):
    """A part of a file. number: from 1, as S3 counts. offset, length: in bytes."""

    number: int
    offset: int
    length: int


class Digest(Protocol):
    """A checksum that is under way."""

    def update(self, data: bytes, /) -> object:
        """Take what comes next."""

    def hexdigest(self) -> str:
        """Return the checksum of what has come."""


class Crc32:
    """The one of zip and of Ethernet."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def md5() -> Digest:
    """Begin an MD5 sum."""
    return hashlib.md5(usedforsecurity=False)


def of(content: bytes, *begin: Callable[[], Digest]) -> tuple[str, ...]:
    """Return the checksums of what is in memory, in hexadecimal. begin: of each kind, which begins one."""
    digests = [each() for each in begin]
    for digest in digests:
        digest.update(content)
    return tuple(digest.hexdigest() for digest in digests)


def of_part(path: Path, part: Part, *begin: Callable[[], Digest]) -> tuple[str, ...]:
    """Return the same for a part of a file."""
    digests = [each() for each in begin]
    with path.open("rb") as file:
        file.seek(part.offset)
        left = part.length
        while left and (block := file.read(min(_BLOCK, left))):
            for digest in digests:
                digest.update(block)
            left -= len(block)
    return tuple(digest.hexdigest() for digest in digests)


def of_parts(path: Path, pieces: Sequence[Part], *begin: Callable[[], Digest]) -> list[tuple[str, ...]]:
    """Return the same for each part of a file."""
    if not pieces:
        return []
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda part: of_part(path, part, *begin), pieces))


def joined(each: Sequence[str], begin: Callable[[], Digest]) -> str:
    """Return the checksum of parts with these checksums, and how many there are."""
    digest = begin()
    digest.update(b"".join(map(bytes.fromhex, each)))
    return f"{digest.hexdigest()}-{len(each)}"
