"""A bucket's files as files of a folder: how people read the results of a run with the embedded server."""

from __future__ import annotations

import os
from pathlib import Path

from byok8s.s3.client import Bucket, connect


def mirror(bucket: Bucket, folder: Path) -> None:
    """Make `folder` hold what the bucket holds, and nothing else; what has not changed is not fetched again.

    Only for a folder that is byok8s' own. Raises botocore's errors.
    """
    client = connect(bucket.endpoint_url)
    kept: set[Path] = set()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=bucket.prefix)
    for found in (found for page in pages for found in page.get("Contents", []) if found["Key"][-1] != "/"):
        path, modified = folder / found["Key"], found["LastModified"].timestamp()
        kept.add(path)
        if path.is_file() and (path.stat().st_size, path.stat().st_mtime) == (found["Size"], modified):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket.name, found["Key"], str(path))
        os.utime(path, (modified, modified))
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in kept]:
        path.unlink()
