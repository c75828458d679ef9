"""The lines of the records: what they may hold, and how many of them make an object in the bucket.

Whoever may write to the bucket may write these. They are data: read as JSON of a known form and a bounded size,
compared and shown, and never carried out.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import msgspec

MOST_BYTES: Final = 32_000_000  # of an object in the bucket
_MOST_UNPACKED: Final = 512_000_000
_PACK_BYTES: Final = 8_000_000  # of lines, in an object
_HEADER: Final = b'{"byok8s":"records","version":1}'
_GZIP: Final = 31  # zlib's word for the format of gzip
Generation = Annotated[int, msgspec.Meta(ge=0, lt=10**15)]


class Unreadable(ValueError):
    """Records that cannot be read."""


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """An object that a record is about. mtime: whole seconds since 1970, by the bucket's clock. etag: "" if unknown."""

    mtime: int
    size: int
    etag: str = ""

    def is_same(self, other: Stored) -> bool:
        """Tell whether two are the same object. The time of an upload may be told a second too late by who made it."""
        tags = {tag for tag in (self.etag, other.etag) if tag}
        return self.size == other.size and abs(self.mtime - other.mtime) <= 1 and len(tags) < 2


class Made(msgspec.Struct, frozen=True, tag="made"):
    """How a file was made.

    path: below the bucket's prefix. record: Snakemake's, as JSON. ended: its endtime. stored: what was in the bucket
    then. script, software: checksums of what Snakemake knows by times and paths of one machine; "" if there is none.
    """

    path: str
    generation: Generation
    record: msgspec.Raw
    ended: float = 0.0
    stored: Stored | None = None
    script: str = ""
    software: str = ""


class Announced(msgspec.Struct, frozen=True, tag="announced"):
    """A file that a run was going to make. since: by the bucket's clock; None for the time of the object it is in."""

    path: str
    generation: Generation
    since: float | None = None


Line = Made | Announced
_DECODER: Final = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    """Return a line, without its end."""
    return msgspec.json.encode(line)


def decode(text: bytes) -> Line:
    """Read a line. Raises Unreadable."""
    try:
        line: Line = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    return line


def packs(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the contents of as many objects as the lines need."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _PACK_BYTES:
            yield _packed(held)
            held, size = [], 0
    if held:
        yield _packed(held)


def _packed(lines: list[bytes]) -> bytes:
    return gzip.compress(b"\n".join([_HEADER, *lines]), 6, mtime=0)


def unpacked(content: bytes) -> list[bytes]:
    """Return the lines in an object. Raises Unreadable."""
    unzip = zlib.decompressobj(_GZIP)
    try:
        text = unzip.decompress(content, _MOST_UNPACKED)
    except zlib.error as error:
        raise Unreadable(str(error)) from error
    if not unzip.eof:
        raise Unreadable("it is cut off, or too large")
    header, *lines = text.split(b"\n")
    if header != _HEADER:
        raise Unreadable("it is not of this byok8s' form")
    return lines
