"""The events of a real run's record, each checked against the schema that users are told of."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from byok8s.history.event import FILE, Event

SCHEMA = Path(__file__).parents[2] / "docs" / "events.schema.json"
COMMON = {"schema", "time", "event"}


def events_of(folder: Path) -> list[Event]:
    """Return the events of the one run that a working folder has a record of."""
    (record,) = (folder / ".byok8s").glob(f"runs/*/{FILE}")
    found = [json.loads(row) for row in record.read_text().splitlines()]
    for event in found:
        check(event)
    times = [event["time"] for event in found]
    assert times == sorted(times)
    return found


def check(event: Event) -> None:
    """An event is one of the schema's, with the facts that it must have and no other."""
    _validator().validate(event)
    documented = _schema()["$defs"][event["event"]]["properties"]
    assert set(event) - COMMON <= set(documented)


def of_kind(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event["event"] == kind]


@cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    return found


@cache
def _validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(_schema())
    return Draft202012Validator(_schema())
