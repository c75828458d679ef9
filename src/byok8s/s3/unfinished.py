"""Uploads by parts that nobody has finished: whoever was killed has left them.

No listing of objects shows them, but their parts take room.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from byok8s.errors import BucketError
from byok8s.s3.client import Bucket, connect

if TYPE_CHECKING:
    from byok8s.s3.client import Answer, ListedUpload

OLD_SECONDS: Final = (
    24 * 3600.0
)  # a large file may take hours, and a cut-off one is gone on with the next day
_THREADS: Final = 16


@dataclass(frozen=True)
class Unfinished:
    """An upload. key: of the object that it would have made. age: in seconds, by the bucket's clock."""

    key: str
    upload: str
    age: float


def unfinished(bucket: Bucket) -> list[Unfinished]:
    """List what is below the bucket's prefix, the oldest first. Raises BucketError, also if that may not be listed."""
    top = f"{bucket.prefix}/" if bucket.prefix else ""
    with _explained("ListMultipartUploads", bucket):
        pages = connect(bucket.endpoint_url).get_paginator("list_multipart_uploads")
        found = [
            _unfinished(each, page["ResponseMetadata"])
            for page in pages.paginate(Bucket=bucket.name, Prefix=top)
            for each in page.get("Uploads", ())
        ]
    return sorted(found, key=lambda each: (-each.age, each.key))


def of_files(found: Sequence[Unfinished], keys: Collection[str]) -> list[Unfinished]:
    """Return those of some files, and of files in directories. keys: of either."""
    return [
        each
        for each in found
        if each.key in keys or any(str(above) in keys for above in PurePosixPath(each.key).parents)
    ]


def abort(bucket: Bucket, chosen: Sequence[Unfinished]) -> None:
    """Remove the parts of uploads; one that is gone meanwhile counts as removed. Raises BucketError."""
    from botocore.exceptions import ClientError

    client = connect(bucket.endpoint_url)

    def one(each: Unfinished) -> None:
        try:
            client.abort_multipart_upload(Bucket=bucket.name, Key=each.key, UploadId=each.upload)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
                raise

    with _explained("AbortMultipartUpload", bucket), ThreadPoolExecutor(_THREADS, "abort") as pool:
        list(pool.map(one, chosen))


def _unfinished(listed: ListedUpload, answer: Answer) -> Unfinished:
    date = answer["HTTPHeaders"].get("date")
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    return Unfinished(listed["Key"], listed["UploadId"], (now - listed["Initiated"]).total_seconds())


@contextmanager
def _explained(operation: str, bucket: Bucket) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise BucketError(
            f"Unfinished uploads in {bucket.url} cannot be removed.",
            where=f"{operation} at {bucket.server}: {error}",
            hint="That needs s3:ListBucketMultipartUploads on the bucket, s3:AbortMultipartUpload on its objects.",
        ) from error
