"""What was measured at each place, kept for the report: it tells of both places, which are seldom measured at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from conformance.corpus import cache
from conformance.verdict import Verdict


@dataclass(frozen=True)
class Results:
    """different: how each test that was run differs; empty for one that is right."""

    date: str
    different: Mapping[str, Sequence[str]]


def keep(place: str, verdicts: Iterable[Verdict]) -> Results:
    found = {verdict.name: list(verdict.different) for verdict in verdicts}
    results = Results(datetime.now(UTC).strftime("%Y-%m-%d"), found)
    _path(place).write_text(json.dumps(asdict(results), indent=1))
    return results


def last(place: str) -> Results | None:
    path = _path(place)
    return Results(**json.loads(path.read_text())) if path.is_file() else None


def keep_words(verdict: Verdict) -> None:
    """Keep what byok8s said, for somebody who looks into a difference."""
    log = cache() / "logs" / verdict.place / f"{verdict.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(verdict.words)


def _path(place: str) -> Path:
    return cache() / f"results-{place}.json"
