"""The variables of this process and its children while a run lasts; and the S3 server of a run without a bucket."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from byok8s import s3
from byok8s.run.adjust import CACHE
from byok8s.s3 import profile


@contextlib.contextmanager
def embedded_bucket(folder: Path) -> Iterator[s3.Bucket]:
    """Have the S3 server of a run on this machine without a bucket. Its data stays in a folder, for the next run."""
    with s3.embedded_server(folder) as server:
        keys = server.credentials
        with _environment(
            AWS_ACCESS_KEY_ID=keys.access_key,
            AWS_SECRET_ACCESS_KEY=keys.secret_key,
            AWS_SESSION_TOKEN=None,
            AWS_PROFILE=None,  # one that does not exist is an error even where it is not needed
        ):
            yield server.bucket


@contextlib.contextmanager
def of_s3(bucket: s3.Bucket) -> Iterator[None]:
    """Put the endpoint where S3's own tools look for it: so the storage plugin, other plugins of the
    workflow and `aws` in a rule's commands all use the same server.
    """
    found = profile.environment()
    if bucket.endpoint_url:
        found |= dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"), bucket.endpoint_url)
    with _environment(**found):
        yield


@contextlib.contextmanager
def of_cache() -> Iterator[None]:
    """Name the folder of Snakemake's cache between workflows from where byok8s was started."""
    place = os.environ.get(CACHE, "")
    with _environment(**{CACHE: str(Path(place).absolute())} if place and "://" not in place else {}):
        yield


@contextlib.contextmanager
def _environment(**variables: str | None) -> Iterator[None]:
    """Set variables of this process and its children for a while; None takes one away."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
