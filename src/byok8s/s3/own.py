"""The small objects that byok8s keeps for itself below a prefix: listed, read, written and removed whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from byok8s.errors import BucketError
from byok8s.s3.client import Bucket, connect

_THREADS: Final = 16
_ABSENT: Final = ("NoSuchKey", "404")


@dataclass(frozen=True)
class Listed:
    """An object. size: in bytes. modified: in seconds since 1970, by the bucket's clock."""

    name: str
    size: int
    modified: float


class OwnObjects:
    """The objects below one of byok8s' own prefixes in a bucket, by the rest of their keys. Any thread may call.

    Each call raises BucketError for what the bucket refuses, or for one that is away.
    """

    def __init__(self, bucket: Bucket, under: str) -> None:
        self._bucket = bucket
        self._client = connect(bucket.endpoint_url)
        self._top = f"{bucket.prefix}/{under}/".lstrip("/")

    @property
    def address(self) -> str:
        """Return the prefix in words for messages."""
        return f"s3://{self._bucket.name}/{self._top}"

    def listed(self) -> list[Listed]:
        """Return what is there, by name."""
        with self._explained("list"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.name, Prefix=self._top
            )
            found = [each for page in pages for each in page.get("Contents", [])]
        return [
            Listed(each["Key"].removeprefix(self._top), each["Size"], each["LastModified"].timestamp())
            for each in found
        ]

    def read(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the contents of objects, fetched in parallel; None for one that is no longer there."""
        with ThreadPoolExecutor(_THREADS, "records") as pool:
            yield from pool.map(self._read, names)

    def write(self, name: str, content: bytes) -> float:
        """Write an object, and return the bucket's time of that: seconds since 1970."""
        with self._explained("write"):
            answer = self._client.put_object(Bucket=self._bucket.name, Key=f"{self._top}{name}", Body=content)
        return _time_of(answer)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""
        with ThreadPoolExecutor(_THREADS, "records") as pool:
            list(pool.map(self._remove, names))

    def _read(self, name: str) -> bytes | None:
        from botocore.exceptions import ClientError

        with self._explained("read"):
            try:
                answer = self._client.get_object(Bucket=self._bucket.name, Key=f"{self._top}{name}")
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _ABSENT:
                    return None
                raise
            return answer["Body"].read()

    def _remove(self, name: str) -> None:
        from botocore.exceptions import ClientError

        with self._explained("remove"):
            try:
                self._client.delete_object(Bucket=self._bucket.name, Key=f"{self._top}{name}")
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _ABSENT:  # so says Google Cloud Storage
                    raise

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise BucketError(f"Cannot {verb} {self.address}: {error}") from error


def _time_of(answer: object) -> float:
    """Return the bucket's time of an answer, or ours if it does not tell any."""
    try:
        headers = answer["ResponseMetadata"]["HTTPHeaders"]  # type: ignore[index]
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return datetime.now(UTC).timestamp()
