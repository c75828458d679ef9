"""What a bucket holds below its prefix, by the paths that a workflow has for it; and what patterns name of that."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from byok8s import s3
from byok8s.errors import InputError
from byok8s.locks.folder import last_holder
from byok8s.settings import Settings, named_bucket, resolve, user_config
from byok8s.worker.pattern import beginning, expression

OWN = ".byok8s"


@dataclass(frozen=True)
class Entry:
    """A file. path: below the prefix. size: in bytes. etag: without quotation marks."""

    path: str
    key: str
    size: int
    modified: datetime
    etag: str


def place(said: Settings) -> s3.Bucket:
    """Return the bucket that flags, environment or config file name; else that of the last run in this folder.

    Raises InputError if there is none.
    """
    if known := known_place(said):
        return known
    raise InputError(
        "No bucket is named, and no run in this folder has used one.",
        hint="Name one with --s3-bucket=BUCKET[/PREFIX] or BYOK8S_S3_BUCKET.",
    )


def known_place(said: Settings) -> s3.Bucket | None:
    """Return the same; None if there is none."""
    if named := named_bucket(resolve([said, user_config()]), local=True):
        return named
    holder = last_holder(Path(OWN, "lock"))
    if holder and holder.place.bucket:
        return s3.Bucket.parse(holder.place.bucket, holder.place.endpoint)
    return None


def usable_place(said: Settings) -> s3.Bucket:
    """Return the same as `place`. Raises BucketError, too, if it cannot be used."""
    bucket = place(said)
    s3.check_bucket(bucket)
    return bucket


def listed(bucket: s3.Bucket, patterns: Sequence[str] = ()) -> list[Entry]:
    """Return what patterns name, in order of the paths; without patterns all. byok8s' own records are left out.

    Raises BucketError for a bucket that cannot be used, InputError for a pattern that names nothing.
    """
    return chosen(_files(bucket, [beginning(pattern) for pattern in patterns]), patterns)


def at(bucket: s3.Bucket, paths: Collection[str], client: s3.S3Client | None = None) -> list[Entry]:
    """Return the files that are at these paths, or below them, in order of their own. Raises BucketError."""
    found = _files(bucket, paths, client)
    return sorted(
        (
            entry
            for entry in found
            if entry.path in paths or any(str(above) in paths for above in PurePosixPath(entry.path).parents)
        ),
        key=lambda entry: entry.path,
    )


def _files(bucket: s3.Bucket, starts: Collection[str], client: s3.S3Client | None = None) -> list[Entry]:
    """List the workflow's files, as far as their paths begin with what all of these do."""
    start = os.path.commonprefix([*starts])  # noqa: RUF071 - keys are texts, whose beginning is what S3 lists by
    top = f"{bucket.prefix}/" if bucket.prefix else ""
    found = [
        Entry(
            each["Key"].removeprefix(top),
            each["Key"],
            each["Size"],
            each["LastModified"],
            each["ETag"].strip('"'),
        )
        for each in s3.listed(bucket, start, client)
    ]
    return [entry for entry in found if entry.path[-1:] not in ("", "/") and OWN not in entry.path.split("/")]


def chosen(files: Sequence[Entry], patterns: Sequence[str]) -> list[Entry]:
    """Return the files that patterns name: `*` and `?` within a name, `**` any depth, and a folder all that is in it.

    Raises InputError for a pattern that names none.
    """
    if not patterns:
        return sorted(files, key=lambda entry: entry.path)
    wanted: dict[str, Entry] = {}
    for pattern in patterns:
        matched = [entry for entry in files if expression(pattern).fullmatch(entry.path)]
        if not matched:
            raise InputError(
                f"Nothing in the bucket is named by '{pattern}'.", hint="`byok8s ls` lists what is there."
            )
        wanted |= {entry.path: entry for entry in matched}
    return sorted(wanted.values(), key=lambda entry: entry.path)
