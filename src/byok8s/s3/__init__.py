"""The bucket: its address, its credentials, whether it can be used, and a server that stands in for one.

Importing this package is cheap on purpose: the command line imports it for every `--help`. boto3 comes when a
function needs it, and what runs a server (subprocess, sockets, randomness: 20 ms) when its name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from byok8s.s3.archive import Archive, archive
from byok8s.s3.check import check_bucket, listed, usable
from byok8s.s3.client import Bucket, Credentials, CurrentCredentials, S3Client, connect, credentials
from byok8s.s3.mirror import mirror
from byok8s.s3.permissions import remove, try_operations
from byok8s.s3.unfinished import OLD_SECONDS, Unfinished, abort, of_files, unfinished
from byok8s.s3.upload import put, take, upload

if TYPE_CHECKING:
    from byok8s.s3.embedded import EmbeddedS3, embedded_server

__all__ = [
    "OLD_SECONDS",
    "Archive",
    "Bucket",
    "Credentials",
    "CurrentCredentials",
    "EmbeddedS3",
    "S3Client",
    "Unfinished",
    "abort",
    "archive",
    "check_bucket",
    "connect",
    "credentials",
    "embedded_server",
    "listed",
    "mirror",
    "of_files",
    "put",
    "remove",
    "take",
    "try_operations",
    "unfinished",
    "upload",
    "usable",
]


def __getattr__(name: str) -> object:
    if name not in ("EmbeddedS3", "embedded_server"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from byok8s.s3 import embedded

    return getattr(embedded, name)
