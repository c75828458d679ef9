"""What is known of single tests: known.toml, the one place that says why a test is not run or may differ."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("known.toml")


@dataclass(frozen=True)
class Difference:
    """A reason for which tests differ.

    places: where they do, "local" or "cluster" or both. sometimes: whether they may be right as well.
    """

    tests: Sequence[str]
    places: Sequence[str]
    why: str
    sometimes: bool = False


@dataclass(frozen=True)
class Known:
    """What is known.

    excluded: why a test is not run. different: what differs. subset: what runs with `make test`. whole_node: those of
    the subset that whatever else runs on the cluster's node keeps waiting.
    """

    excluded: Mapping[str, str]
    different: Sequence[Difference]
    subset: Sequence[str]
    whole_node: Sequence[str]

    def names(self) -> list[str]:
        return [*self.excluded, *self.subset, *(test for entry in self.different for test in entry.tests)]

    def difference(self, name: str, place: str) -> Difference | None:
        """Return how the test may differ at the place; None if it may not."""
        return next(
            (entry for entry in self.different if name in entry.tests and place in entry.places), None
        )


def load() -> Known:
    found = tomllib.loads(FILE.read_text())
    different = [
        Difference(
            entry["tests"],
            entry.get("places", ["local", "cluster"]),
            entry["why"],
            entry.get("sometimes", False),
        )
        for entry in found["different"]
    ]
    excluded = {name: entry["why"] for entry in found["excluded"] for name in entry["tests"]}
    return Known(excluded, different, found["subset"], found["whole_node"])
