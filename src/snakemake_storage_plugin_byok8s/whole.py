"""Whether a file that came from a bucket is all that the bucket holds.

An answer's own Content-Length proves nothing: what cuts it on the way may have corrected that. The listing was another
answer. An ETag is the MD5 sum of an object that was put in one piece and is not encrypted with a key of its own; of
other objects it is something else, which is no reason for doubt.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from snakemake_interface_common.exceptions import WorkflowError

if TYPE_CHECKING:
    from pathlib import Path

TRIES: Final = 3
_MD5: Final = re.compile(r"[0-9a-f]{32}")


class NotWhole(WorkflowError):  # type: ignore[misc]
    """A file that does not arrive as it was sent, in either direction, however often it is tried."""


def is_whole(path: Path, size: int) -> bool:
    """Return whether a file has the size that a listing, or a HEAD, told. size: negative when none did."""
    return size < 0 or path.stat().st_size == size


def is_as_stored(path: Path, etag: str, encryption: str = "") -> bool | None:
    """Return whether a file has the MD5 sum that S3 told; None when it told none.

    etag: of the answer. encryption: its ServerSideEncryption; with "aws:kms" an ETag is no MD5 sum.
    """
    told = etag.strip('"')
    if not _MD5.fullmatch(told) or encryption not in {"", "AES256"}:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == told
