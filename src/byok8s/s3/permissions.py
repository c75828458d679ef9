"""Try what a run does with objects, on one that is removed again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from byok8s.s3.client import Bucket, S3Client, connect

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

_CONTENT: Final = b"byok8s doctor"


def try_operations(bucket: Bucket, key: str) -> Mapping[str, str]:
    """Put, get, overwrite in parts and delete an object.

    key: below the bucket's prefix. Returns what S3 says against each of put, get, multipart and delete that was tried,
    nothing where it does it. The last three are tried on an object that could be put.
    Raises BucketError if there are no credentials.
    """
    client, at = connect(bucket.endpoint_url), _place(bucket, key)
    tried = {"put": _try(lambda: client.put_object(**at, Body=_CONTENT))}
    if tried["put"]:
        return tried
    tried["get"] = _try(lambda: client.get_object(**at)["Body"].read())
    tried["multipart"] = _try(lambda: _in_parts(client, at))
    tried["delete"] = _try(lambda: client.delete_object(**at))
    return tried


def remove(bucket: Bucket, key: str) -> str:
    """Remove an object that need not be there. Returns why that cannot be done; nothing if it is done."""
    client = connect(bucket.endpoint_url)
    return _try(lambda: client.delete_object(**_place(bucket, key)))


def _place(bucket: Bucket, key: str) -> dict[str, str]:
    return {"Bucket": bucket.name, "Key": f"{bucket.prefix}/{key}".lstrip("/")}


def _in_parts(client: S3Client, at: dict[str, str]) -> None:
    upload = client.create_multipart_upload(**at)["UploadId"]
    try:
        part = client.upload_part(**at, UploadId=upload, PartNumber=1, Body=_CONTENT)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload=parts)
    except BaseException:
        client.abort_multipart_upload(**at, UploadId=upload)
        raise


def _try(operation: Callable[[], object]) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        operation()
    except (BotoCoreError, ClientError) as error:
        return _words(error)
    return ""


def _words(error: BotoCoreError | ClientError) -> str:
    answer = getattr(error, "response", {}).get("Error", {})
    return f"{answer.get('Code', '')}: {answer.get('Message', '')}".strip(": ") or str(error)
