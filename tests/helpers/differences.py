"""How the results of small workflows differ from plain Snakemake's, for tests that each look at one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ahead import ahead
from conformance.place import Place
from meanings import MEANINGS
from sameness import how_it_differs


def differences_ahead(request: pytest.FixtureRequest, place: Place) -> Iterator[Callable[[str], str]]:
    """Yield what returns in words how the meaning of a name differs at a place; empty if it is the same."""
    numbers = {name: f"meaning-{number}" for number, name in enumerate(MEANINGS)}
    with TemporaryDirectory() as scratch:

        def run(name: str) -> str:
            workflow = MEANINGS[name].written(Path(scratch, numbers[name]))
            return how_it_differs(workflow, place, numbers[name])

        yield from ahead(request, run)
