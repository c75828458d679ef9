"""What pods are told of this machine: how to reach S3, and with which credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from byok8s import s3
from byok8s.errors import BucketError
from byok8s.pods import manifest

PASSED_ON: Sequence[str] = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "BYOK8S_S3_PATIENCE_SECONDS",
)


def environment() -> Mapping[str, str]:
    """Return what pods know of this machine's environment: how to reach S3, and nothing else."""
    from byok8s.s3 import profile

    return {
        **profile.environment(),
        "HOME": f"{manifest.WORK}/home",
        "USER": "byok8s",  # images know no user of the pod's number, and Python's getpass asks
        "BYOK8S_WORK": manifest.WORK,
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_SHARED_CREDENTIALS_FILE": f"{manifest.MOUNT}/{manifest.CREDENTIALS_FILE}",
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
    }


def credentials_file(of: s3.CurrentCredentials) -> dict[str, str]:
    """Return this machine's S3 credentials in AWS' own form; nothing if there are none: pods may have their own."""
    try:
        return file_of(of.read())
    except BucketError:
        return {}


def file_of(found: s3.Credentials) -> dict[str, str]:
    """Return the file of credentials, by its name in the Secret."""
    lines = [
        "[default]",
        f"aws_access_key_id = {found.access_key}",
        f"aws_secret_access_key = {found.secret_key}",
    ]
    if found.token:
        lines.append(f"aws_session_token = {found.token}")
    return {manifest.CREDENTIALS_FILE: "\n".join(lines) + "\n"}
