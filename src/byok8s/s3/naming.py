"""What an S3 server makes of names: tried with empty objects that are removed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Client(Protocol):
    """The calls of a boto3 S3 client that are used here, by S3's own argument names."""

    def put_object(self, **request: str | bytes) -> Mapping[str, object]: ...

    def list_objects_v2(self, **request: str) -> Mapping[str, object]: ...

    def delete_object(self, **request: str) -> Mapping[str, object]: ...


def names_kept(client: Client, bucket: str, folder: str, names: Iterable[str]) -> dict[str, str]:
    """Return what each name is when it is listed; S3's words if it cannot be stored or listed.

    folder: a prefix of keys in the bucket that nobody else uses.
    """
    return {name: _kept(client, bucket, f"{folder}/{number}/", name) for number, name in enumerate(names)}


def _kept(client: Client, bucket: str, folder: str, name: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    at = {"Bucket": bucket, "Key": folder + name}
    try:
        client.put_object(**at, Body=b"")
        try:
            listed = client.list_objects_v2(Bucket=bucket, Prefix=folder)
        finally:
            client.delete_object(**at)
    except (BotoCoreError, ClientError) as error:
        return f"({error})"
    contents = listed.get("Contents")
    keys = [item["Key"] for item in contents] if isinstance(contents, list) else []
    return str(keys[0]).removeprefix(folder) if keys else "(nothing is listed)"
