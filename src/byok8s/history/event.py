"""A line of a run's events: one JSON object. docs/events.schema.json says what each has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

SCHEMA: Final = "byok8s.events/1"
FILE: Final = "events.jsonl"
LONGEST_WORDS: Final = 1000

# Of runs and jobs: names of GA4GH's WES and TES, which tell a fault of the job's from one of what it runs on
RUNNING: Final = "RUNNING"
COMPLETE: Final = "COMPLETE"
EXECUTOR_ERROR: Final = "EXECUTOR_ERROR"
SYSTEM_ERROR: Final = "SYSTEM_ERROR"
CANCELED: Final = "CANCELED"

Event: TypeAlias = Mapping[str, object]


def line(milliseconds: int, name: str, facts: Mapping[str, object]) -> bytes:
    """Return an event as a line. milliseconds: since 1970. What is None or empty text is left out."""
    known = {key: _short(value) for key, value in facts.items() if value is not None and value != ""}
    whole = {"schema": SCHEMA, "time": _time(milliseconds), "event": name, **known}
    return _encoded(whole) + b"\n"


def _encoded(whole: Event) -> bytes:
    try:
        return msgspec.json.encode(whole)
    except UnicodeEncodeError:
        # surrogates, as of a file's name that is no UTF-8: Python writes them as escapes
        return json.dumps(whole).encode()


def parsed(data: bytes) -> Iterator[Event]:
    """Yield the events of some lines. One that is cut off or of another schema is left out."""
    for row in data.splitlines():
        try:
            found = _decoded(row)
        except ValueError:
            continue
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            continue
        if isinstance(found.get("event"), str) and milliseconds(found) is not None:
            yield found


def _decoded(row: bytes) -> object:
    """Return what a line says. Raises ValueError. A record of millions of lines is decoded several times faster so."""
    try:
        return msgspec.json.decode(row)
    except (
        msgspec.DecodeError
    ):  # also of what Python writes and others do not take, as half of a surrogate pair
        return json.loads(row)


def milliseconds(event: Event) -> int | None:
    """Return when an event was, since 1970; None if it does not say so."""
    return _milliseconds(str(event.get("time")))


@lru_cache(maxsize=16)  # each is asked for again at once
def _milliseconds(time: str) -> int | None:
    try:
        return round(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        return None


def _time(milliseconds: int) -> str:
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=1)  # of many events one after another it is the same
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _short(value: object) -> object:
    return value[:LONGEST_WORDS] if isinstance(value, str) else value
