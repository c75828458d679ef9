"""What was measured, kept by place and test: the report tells of both places, which are seldom measured at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from conformance.corpus import cache
from conformance.verdict import Verdict


@dataclass(frozen=True)
class Results:
    """different: how each test that was run differs; empty for one that is right. first, last: days of measuring."""

    first: str
    last: str
    different: Mapping[str, Sequence[str]]


def keep(verdict: Verdict) -> None:
    """Keep how a test differs, and, for somebody who looks into it, what byok8s said."""
    place = cache() / "results" / verdict.place
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{verdict.name}.log").write_text(verdict.words)
    found = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "different": list(verdict.different)}
    (place / f"{verdict.name}.json").write_text(json.dumps(found))


def kept(place: str, tests: Iterable[str]) -> Results | None:
    """Return what was measured of these tests at a place; None if nothing was."""
    paths = {test: cache() / "results" / place / f"{test}.json" for test in tests}
    found = {test: json.loads(path.read_text()) for test, path in paths.items() if path.is_file()}
    if not found:
        return None
    days = [entry["date"] for entry in found.values()]
    return Results(
        min(days),
        max(days),
        {test: entry["different"] for test, entry in found.items()},
    )
