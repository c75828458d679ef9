"""Objects for a run's record, and those that are there to be taken away."""

from __future__ import annotations

import io
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from byok8s.errors import BucketError
from byok8s.s3.client import Bucket, connect

_THREADS: Final = 8


def put(bucket: Bucket, key: str, data: bytes) -> None:
    """Put an object. key: below the bucket's prefix. Raises BucketError."""
    from botocore.exceptions import BotoCoreError, ClientError

    whole = f"{bucket.prefix}/{key}".lstrip("/")
    try:
        connect(bucket.endpoint_url).put_object(Bucket=bucket.name, Key=whole, Body=data)
    except (BotoCoreError, ClientError) as error:
        raise BucketError(f"{key} cannot be put into {bucket.url}: {error}") from error


def take(bucket: Bucket, key: str) -> bytes | None:
    """Return an object that is there to be acted upon once, and remove it; None if it is not there.

    key: below the bucket's prefix. Raises BucketError.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    client = connect(bucket.endpoint_url)
    whole = f"{bucket.prefix}/{key}".lstrip("/")
    try:
        content = client.get_object(Bucket=bucket.name, Key=whole)["Body"].read()
        client.delete_object(Bucket=bucket.name, Key=whole)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise BucketError(f"{key} cannot be read in {bucket.url}: {error}") from error
    except BotoCoreError as error:
        raise BucketError(f"{key} cannot be read in {bucket.url}: {error}") from error
    return content


def upload(bucket: Bucket, contents: Mapping[str, Path | bytes], under: str, seconds: float) -> None:
    """Put files, or bytes, under a key, by their names there.

    under: below the bucket's prefix, without slashes at its ends. seconds: the most that it may take; what is
    being sent then comes to its end. Raises BucketError when not all of it is there; KeyboardInterrupt at once.
    """
    client = connect(bucket.endpoint_url)
    prefix = f"{bucket.prefix}/{under}".lstrip("/")

    def put(name: str, content: Path | bytes) -> None:
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as body:
            client.put_object(Bucket=bucket.name, Key=f"{prefix}/{name}", Body=body)

    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload")
    try:
        puts = [pool.submit(put, name, content) for name, content in contents.items()]
        done, open_ = wait(puts, timeout=seconds, return_when=FIRST_EXCEPTION)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if error := next((put.exception() for put in done if put.exception()), None):
        raise BucketError(f"Not all of {under} could be put into the bucket: {error}") from error
    if open_:
        raise BucketError(
            f"{len(open_)} of {len(contents)} files of {under} were not in the bucket after {seconds:.0f} s."
        )
