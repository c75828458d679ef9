"""A bucket's files as files of a folder: how people read the results of a run with the embedded server."""

from __future__ import annotations

import os
from pathlib import Path

from byok8s.errors import BucketError
from byok8s.s3.client import Bucket, ListedObject, S3Client, connect
from byok8s.worker.boto import transfers


def mirror(bucket: Bucket, folder: Path) -> None:
    """Make `folder` hold what the bucket holds, and nothing else; what has not changed is not fetched again.

    Only for a folder that is byok8s' own. Raises botocore's errors, and BucketError for a key that would lead
    out of it and for a file that does not come whole.
    """
    client = connect(bucket.endpoint_url)
    kept: set[Path] = set()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=bucket.prefix)
    for found in (found for page in pages for found in page.get("Contents", []) if found["Key"][-1] != "/"):
        path, modified = _path(folder, found["Key"]), found["LastModified"].timestamp()
        kept.add(path)
        if path.is_file() and (path.stat().st_size, path.stat().st_mtime) == (found["Size"], modified):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(client, bucket, found, path)
        os.utime(path, (modified, modified))
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in kept]:
        path.unlink()


def _download(client: S3Client, bucket: Bucket, found: ListedObject, path: Path) -> None:
    from snakemake_storage_plugin_byok8s.whole import TRIES, is_whole

    for _ in range(TRIES):
        client.download_file(bucket.name, found["Key"], str(path), Config=transfers())
        if is_whole(path, found["Size"]):
            return
    path.unlink()
    raise BucketError(
        f"{found['Key']!r} does not come whole from {bucket.url}.", where=f"Tried {TRIES} times."
    )


def _path(folder: Path, key: str) -> Path:
    from snakemake_storage_plugin_byok8s.paths import Outside, inside

    try:
        return inside(folder, key)
    except Outside as error:
        raise BucketError(
            "The bucket holds a file that cannot be put into the folder of the results.",
            where=f"Its key is {key!r}.",
            hint="Delete it there, or read the results from the bucket.",
        ) from error
