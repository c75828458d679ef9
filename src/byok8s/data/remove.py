"""Files of the workflow, removed from the bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from byok8s.data.contents import Entry
from byok8s.data.fetch import connection
from byok8s.errors import BucketError, InUse
from byok8s.locks.owner import this_process
from byok8s.s3 import Bucket, S3Client
from byok8s.s3.prefix_lock import prefix_lock


@contextmanager
def unused(bucket: Bucket, client: S3Client | None = None) -> Iterator[None]:
    """Keep runs away from the bucket's prefix. Raises InUse when one is at work there. client: if there is one."""
    try:
        me = this_process()
        with prefix_lock(bucket, me, lambda _: None, alone=False, ignore=False, client=client):
            yield
    except InUse as error:
        raise InUse(error.what, where=error.where, hint="Wait for it to end.") from error


def remove(bucket: Bucket, entries: Sequence[Entry]) -> None:
    """Remove files. Raises BucketError for one that cannot be."""
    from snakemake_interface_common.exceptions import WorkflowError

    server = connection(bucket)

    def one(entry: Entry) -> None:
        with server.explained("DeleteObject", f"s3://{bucket.name}/{entry.key}"):
            server.client.delete_object(Bucket=bucket.name, Key=entry.key)

    try:
        with server.pool() as pool:
            list(pool.map(one, entries))
    except WorkflowError as error:
        raise BucketError("A file cannot be removed.", where=str(error)) from error
