"""What is known of a key, and how the keys below it make a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

# below the directory's key while its files are being written: without all of them it is no directory yet
UNFINISHED: Final = ".byok8s/unfinished"


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


def directory(key: str, files: Mapping[str, Facts]) -> Facts | None:
    """The facts of a directory, from those of the files in it, by key; None for one that is empty or half written."""
    if not files or f"{key}/{UNFINISHED}" in files:
        return None
    return Facts(max(f.mtime for f in files.values()), sum(f.size for f in files.values()), is_dir=True)
