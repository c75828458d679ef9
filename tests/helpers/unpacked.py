"""What an object of the bucket has, also if it is packed."""

from __future__ import annotations

import io
import zipfile
import zlib

import zstandard


def unpacked(content: bytes) -> bytes:
    """Return what a file has, unpacked if it is packed in a way that is used here."""
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read()
    if content.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31).decompress(content)  # of a large one it may be a part
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return b"".join(map(archive.read, archive.namelist()))
    return content
