"""What is known of single tests: known.toml, the one place that says why a test is not run or may differ."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("known.toml")


@dataclass(frozen=True)
class Difference:
    """places: where a test differs, "local" or "cluster" or both. sometimes: whether it may be right as well."""

    places: frozenset[str]
    why: str
    sometimes: bool = False


@dataclass(frozen=True)
class Known:
    """excluded: why a test is not run. different: why it differs. subset: what runs with `make test`."""

    excluded: Mapping[str, str]
    different: Mapping[str, Difference]
    subset: Sequence[str]

    def names(self) -> list[str]:
        return [*self.excluded, *self.different, *self.subset]

    def difference(self, name: str, place: str) -> Difference | None:
        """Return how the test may differ at the place; None if it may not."""
        found = self.different.get(name)
        return found if found and place in found.places else None


def load() -> Known:
    found = tomllib.loads(FILE.read_text())
    different = {
        name: Difference(
            frozenset(entry.get("places", ["local", "cluster"])), entry["why"], entry.get("sometimes", False)
        )
        for entry in found["different"]
        for name in entry["tests"]
    }
    excluded = {name: entry["why"] for entry in found["excluded"] for name in entry["tests"]}
    return Known(excluded, different, found["subset"])
