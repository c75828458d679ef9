"""What is known of a key."""

from __future__ import annotations

from typing import NamedTuple


class Facts(NamedTuple):
    """What S3 says of one key. mtime: whole seconds since 1970, as HEAD gives it; size: bytes.

    etag: without quotation marks; empty if it is not known.
    """

    mtime: int
    size: int
    is_dir: bool = False
    etag: str = ""


class Listing(NamedTuple):
    """files: facts by key. folders: inside what was listed, where what is in them was not. complete: this is all."""

    files: dict[str, Facts]
    folders: frozenset[str]
    complete: bool
