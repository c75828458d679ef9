"""Which runs are of the same workflow, by what they say as they start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Facts: TypeAlias = Mapping[str, object]


def is_same(one: Facts, other: Facts) -> bool:
    """Return whether two runs are of one workflow. Records of before 2026-12 know it by the Snakefile's path alone."""
    name = "workflow" if "workflow" in one and "workflow" in other else "snakefile"
    return name in one and one[name] == other.get(name)
