"""How the results of small workflows differ from plain Snakemake's, for tests that each look at one of them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.place import Place
from meanings import MEANINGS
from sameness import how_it_differs

NUMBERS = {name: f"meaning-{number}" for number, name in enumerate(MEANINGS)}


def difference(name: str, place: Place) -> str:
    """Return in words how the meaning of a name differs at a place; empty if it is the same."""
    with TemporaryDirectory() as scratch:
        workflow = MEANINGS[name].written(Path(scratch, NUMBERS[name]))
        return how_it_differs(workflow, place, NUMBERS[name])
