"""One run a place in a bucket: an object with a heartbeat, for controllers in other folders and on other machines.

The object is PREFIX/.byok8s/lock, and says who holds it. It counts as dead when it has not been written for
180 s: by the bucket's own clock (`Date` and `LastModified` of one answer), as ours may be wrong.

It is written on a condition (`If-None-Match: *`, or `If-Match` with what a dead holder left), so of two that
come at once one gets it. Some servers do not know conditions, and refuse them or write anyway: then the write is
looked at again a moment later.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from byok8s.errors import BucketError, InUse
from byok8s.locks.heartbeat import EVERY_SECONDS, beating
from byok8s.locks.owner import LockOwner, decode, encode, this_process
from byok8s.s3.client import Bucket, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.exceptions import ClientError

    from byok8s.s3.client import S3Client

DEAD_AFTER_SECONDS: Final = 180.0
_MOMENT_S: Final = 2.0
# also 304, of older MinIO, and NoSuchKey if what was there has gone meanwhile
_TAKEN: Final = ("PreconditionFailed", "ConditionalRequestConflict", "304", "NoSuchKey")
_NO_CONDITIONS: Final = (400, 501)  # HTTP status of servers that do not know such a request
_ABSENT: Final = ("NoSuchKey", "404")


@dataclass(frozen=True, slots=True)
class _Found:
    """What the object says. holder: None for what is no holder. silence: in seconds. etag: of this content."""

    holder: LockOwner | None
    silence: float
    etag: str


@contextmanager
def prefix_lock(
    bucket: Bucket,
    me: LockOwner,
    warn: Callable[[str], None],
    *,
    alone: bool,
    ignore: bool,
    every: float = EVERY_SECONDS,
    client: S3Client | None = None,
) -> Iterator[None]:
    """Hold a bucket's prefix for a run.

    me: with the run. alone: whether it is known to be the only controller in its folder; what another of that
    folder left is then taken over at once. ignore: take over what another holds. warn: is told once of another
    that has taken it over from us. every: seconds between signs of life. client: of the bucket, if there is one.
    Raises InUse when another holds it, and BucketError when the bucket does not let us write.
    """
    lock = PrefixLock(bucket, me, warn, client)
    lock.acquire(alone=alone, ignore=ignore)
    try:
        # the first soon: there are servers that look at a condition and write in two steps, so both may have it
        with beating(lock.renew, every, first=min(every, _MOMENT_S)):
            yield
    finally:
        lock.release()


def holder(bucket: Bucket) -> LockOwner | None:
    """Return who is at work on a bucket's prefix; None if nobody is, or has not been heard of for too long."""
    found = PrefixLock(bucket, this_process(), lambda _: None).found()
    return found.holder if found and found.silence < DEAD_AFTER_SECONDS else None


def is_held_by(bucket: Bucket, run: str) -> bool:
    """Return whether a bucket's prefix is known to be a run's."""
    from botocore.exceptions import BotoCoreError, ClientError

    with suppress(ClientError, BotoCoreError):
        who = holder(bucket)
        return who is not None and who.run == run
    return False


class PrefixLock:
    """The object; `prefix_lock` says what is what."""

    def __init__(
        self, bucket: Bucket, me: LockOwner, warn: Callable[[str], None], client: S3Client | None = None
    ) -> None:
        self._bucket, self._me, self._warn = bucket, me, warn
        self._client = client or connect(bucket.endpoint_url)
        self._key = f"{bucket.prefix}/.byok8s/lock".lstrip("/")
        self._lost = False

    def acquire(self, *, alone: bool, ignore: bool) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self.found()
            if found and not ignore and not self._is_free(found, alone=alone):
                raise self._in_use(found)
            if ignore:
                self._put()
            elif not self._write_if(_unchanged(found)):
                raise self._in_use(self.found())
        except (ClientError, BotoCoreError) as error:
            raise BucketError(
                f"The run cannot be noted in {self._bucket.url}.",
                where=f"{self._address}: {error}",
                hint="A run needs s3:GetObject, s3:PutObject and s3:DeleteObject there.",
            ) from error

    def renew(self) -> None:
        """Say that we live. A bucket that is away is left to the next renewal."""
        from botocore.exceptions import BotoCoreError, ClientError

        with suppress(ClientError, BotoCoreError):
            found = self.found()
            if found and not self._is_mine(found):
                self._say_lost(found)
                return
            self._me = replace(self._me, heard=datetime.now(UTC))
            self._put_if(_unchanged(found))

    def release(self) -> None:
        """Where it fails, the object counts as dead soon."""
        from botocore.exceptions import BotoCoreError, ClientError

        with suppress(ClientError, BotoCoreError):
            found = self.found()
            if found and self._is_mine(found):
                self._client.delete_object(Bucket=self._bucket.name, Key=self._key)

    @property
    def _address(self) -> str:
        return f"s3://{self._bucket.name}/{self._key}"

    def _is_free(self, found: _Found, *, alone: bool) -> bool:
        holder = found.holder
        # no job can be at work for a killed `byok8s put`, as for a killed run
        left = (
            holder is not None and holder.shares_folder(self._me) and (alone or holder.is_gone_without_run())
        )
        return left or found.silence >= DEAD_AFTER_SECONDS

    def _is_mine(self, found: _Found) -> bool:
        # a run that goes on has the id of the one before
        return found.holder is not None and replace(found.holder, heard=self._me.heard) == self._me

    def _in_use(self, found: _Found | None) -> InUse:
        who = f"{found.holder or 'it does not say which'}" if found else "it came a moment before"
        where = (
            f" in {found.holder.folder}, heard of {found.silence:.0f} s ago" if found and found.holder else ""
        )
        return InUse(
            f"Another run uses {self._bucket.url}: {who}{where}.",
            where=f"It says so in {self._address}.",
            hint="Wait for it to end, or name another prefix: --s3-bucket=BUCKET/PREFIX. --ignore-lock runs beside "
            f"it, if the two do not make the same files. One that was killed is forgotten after "
            f"{DEAD_AFTER_SECONDS:.0f} s.",
        )

    def _say_lost(self, found: _Found) -> None:
        if not self._lost:
            self._lost = True
            self._warn(
                f"Another run uses {self._bucket.url} since a moment ago: {found.holder or 'it does not say which'}. "
                "This one goes on; mind that both may write the same files."
            )

    def found(self) -> _Found | None:
        from botocore.exceptions import ClientError

        try:
            answer = self._client.get_object(Bucket=self._bucket.name, Key=self._key)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        silence = (answer["ResponseMetadata"]["HTTPHeaders"], answer["LastModified"])
        return _Found(decode(answer["Body"].read()), _silence(*silence), answer["ETag"])

    def _put(self, condition: Mapping[str, str] | None = None) -> None:
        self._client.put_object(
            Bucket=self._bucket.name, Key=self._key, Body=encode(self._me), **(condition or {})
        )

    def _write_if(self, condition: Mapping[str, str]) -> bool:
        """Whether the lock is ours now. A condition that is met twice was not looked at by the server."""
        if self._put_if(condition) and self._put_if(condition):
            time.sleep(_MOMENT_S)
        return self._holds()

    def _put_if(self, condition: Mapping[str, str]) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._put(condition)
        except ClientError as error:
            if _code(error) in _TAKEN:
                return False
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") not in _NO_CONDITIONS:
                raise
            self._put()
        return True

    def _holds(self) -> bool:
        found = self.found()
        return found is not None and self._is_mine(found)


def _unchanged(found: _Found | None) -> dict[str, str]:
    """The condition that since then nobody has written."""
    return {"IfMatch": found.etag} if found else {"IfNoneMatch": "*"}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _silence(headers: dict[str, str], written: datetime) -> float:
    try:
        now = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        now = datetime.now(UTC)
    return max(0.0, (now - written).total_seconds())
