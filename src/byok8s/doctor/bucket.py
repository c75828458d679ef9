"""The bucket, with this machine's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from byok8s import s3
from byok8s.doctor import clock
from byok8s.doctor.check import Check, all_skipped, any_failed, failed, of_error, ok, skipped
from byok8s.errors import BucketError

OPERATIONS = ("put", "get", "multipart", "delete")
NAMES = ("list", "region", "clock", *OPERATIONS)
DONE = {
    "put": "an object of a few bytes",
    "get": "the same",
    "multipart": "the same, as large files are",
    "delete": "the same",
}
RIGHTS = {
    "put": "s3:PutObject",
    "get": "s3:GetObject",
    "multipart": "s3:PutObject and s3:AbortMultipartUpload",
    "delete": "s3:DeleteObject",
}
NO_BUCKET = "no bucket is named: --s3-bucket"


@dataclass(frozen=True)
class BucketFindings:
    """usable: whether it can be listed, so that it is worth while to look further."""

    checks: list[Check]
    usable: bool

    @property
    def works(self) -> bool:
        """Return whether all that a run does there is allowed from here."""
        return self.usable and not any_failed([check for check in self.checks if check.name in OPERATIONS])


def look(bucket: s3.Bucket | None, key: str) -> BucketFindings:
    """key: of an object that is put there for a moment, below the bucket's prefix."""
    if bucket is None:
        return BucketFindings(all_skipped(NAMES, NO_BUCKET), usable=False)
    try:
        headers = s3.check_bucket(bucket)
    except BucketError as error:
        return BucketFindings(
            [of_error("list", error), *all_skipped(NAMES[1:], "the bucket cannot be listed")], usable=False
        )
    now = datetime.now().astimezone()
    listed = ok("list", f"{bucket.url} at {bucket.server}")
    tried = s3.try_operations(bucket, key)
    checks = [listed, _region(headers), _clock(headers, now), *operations(tried, f"{bucket.url}/{key}")]
    return BucketFindings(checks, usable=True)


def operations(tried: Mapping[str, str], address: str) -> list[Check]:
    """tried: what S3 says against each operation, nothing if it does it. address: of the object."""
    return [_operation(name, tried.get(name), address) for name in OPERATIONS]


def _operation(name: str, said: str | None, address: str) -> Check:
    if said is None:
        return skipped(name, "nothing could be put")
    if not said:
        return ok(name, DONE[name])
    left = f" It stays there: {address}." if name == "delete" else ""
    return failed(name, f"S3 says no: {said}.{left}", f"A run needs {RIGHTS[name]} on the bucket's objects.")


def _region(headers: Mapping[str, str]) -> Check:
    region = headers.get("x-amz-bucket-region", "")
    return ok("region", region) if region else skipped("region", "this S3 server does not tell of any")


def _clock(headers: Mapping[str, str], now: datetime) -> Check:
    try:
        told = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return skipped("clock", "the S3 server does not tell its time")
    return clock.of_s3((now - told).total_seconds(), "this machine's clock", "Set this machine's clock")
