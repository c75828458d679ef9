"""Where an OpenTelemetry collector is, as it may be named, and whether there is what sends to it."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Final
from urllib.parse import urlsplit

from byok8s.errors import InputError

ENVIRONMENT: Final = "env"  # for a URL: what OpenTelemetry's own variables name
WHOLE: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
BASE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
PATH: Final = "/v1/traces"
_NEEDED: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")


def address(said: str) -> str:
    """Return the URL to which spans go. said: of the collector, or that the environment names it.

    Raises InputError if it cannot be one, and if OpenTelemetry is not installed: before a run creates anything.
    """
    url = _named() if said == ENVIRONMENT else _checked(said)
    try:
        for module in _NEEDED:
            import_module(module)
    except ImportError as error:
        raise InputError(
            f"--otlp needs OpenTelemetry, which is not installed here: {error}.",
            hint="pip install 'byok8s[otlp]' adds it.",
        ) from error
    return url


def _named() -> str:
    if whole := os.environ.get(WHOLE):
        return whole
    if base := os.environ.get(BASE):
        return _with_path(base)
    raise InputError(
        f"--otlp {ENVIRONMENT}: neither {BASE} nor {WHOLE} is set.", hint="Name the collector: --otlp URL."
    )


def _checked(said: str) -> str:
    try:
        parts = urlsplit(said)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"--otlp {said}: that is no URL of a collector.",
            hint=f"It is like http://collector:4318 (OTLP over HTTP), or {ENVIRONMENT} for what {BASE} says.",
        )
    if parts.username or parts.password or parts.query:
        raise InputError(
            "The URL of --otlp has a user, a password or a query in it, and would be in the run's record.",
            hint=f"What the collector wants to see goes into {HEADERS}, which is in no record; "
            f"or the whole URL into {WHOLE}, with --otlp {ENVIRONMENT}.",
        )
    return _with_path(said)


def _with_path(base: str) -> str:
    bare = base.rstrip("/")
    return bare if bare.endswith(PATH) else f"{bare}{PATH}"


def shown(url: str) -> str:
    """Return a URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
