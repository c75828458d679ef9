"""What the AWS profile says of the S3 server: resolved here once, so that pods, which have no profile, ask the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_IGNORED: Final = ("true", "1")


def endpoint() -> str | None:
    """Return the S3 endpoint of the profile that is in use; None when it has none or the environment names one."""
    if any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    config, profile = _read()
    if _is_set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", profile, "ignore_configured_endpoint_urls"):
        return None
    services = config.get("services")
    of_service = services.get(str(profile.get("services"))) if isinstance(services, dict) else None
    s3 = of_service.get("s3") if isinstance(of_service, dict) else None
    found = (s3.get("endpoint_url") if isinstance(s3, dict) else None) or profile.get("endpoint_url")
    return str(found) if found else None


def region() -> str | None:
    """Return the region of the profile that is in use; None when it has none or the environment names one."""
    if any(os.environ.get(name) for name in _REGIONS):
        return None
    found = _read()[1].get("region")
    return str(found) if found else None


def environment() -> dict[str, str]:
    """Return these two as environment variables, for those who have no profile."""
    found = {"AWS_ENDPOINT_URL_S3": endpoint(), "AWS_DEFAULT_REGION": region()}
    return {name: value for name, value in found.items() if value}


def _is_set(variable: str, profile: dict[str, object], name: str) -> bool:
    return str(os.environ.get(variable) or profile.get(name) or "").lower() in _IGNORED


def _read() -> tuple[dict[str, object], dict[str, object]]:
    """Return the whole configuration, and the profile in it that is in use."""
    file = Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    credentials = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    if not file.is_file() and not credentials.is_file():  # so it is for most, and botocore takes its time
        return {}, {}
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        session = Session()
        return dict(session.full_config), dict(session.get_scoped_config())
    except BotoCoreError:  # what is wrong with it is said by whoever looks for its credentials
        return {}, {}
