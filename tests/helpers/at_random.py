"""How tests try workflows at random: the same few each time; BYOK8S_TEST_RANDOM=100 tries so many others."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from conformance.place import Place
from meaning import Meaning
from random_workflows import workflows
from sameness import how_it_differs

SECONDS = 120  # for each of them
Test: TypeAlias = "Callable[..., None]"


def at_random(few: int) -> Callable[[Test], Test]:
    """Give a test so many workflows, as its argument `meaning`."""
    asked = os.environ.get("BYOK8S_TEST_RANDOM")
    number = int(asked or few)

    def decorated(test: Test) -> Test:
        # nothing is made smaller: each try takes seconds
        tried: Test = settings(
            max_examples=number,
            derandomize=not asked,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(given(meaning=workflows())(test))
        return pytest.mark.timeout(SECONDS * number)(tried)

    return decorated


def meaning_differs(meaning: Meaning, place: Place) -> str:
    """Return in words how a workflow's results at a place differ from plain Snakemake's; empty if they are the same."""
    with TemporaryDirectory() as scratch:
        return how_it_differs(meaning.written(Path(scratch, "workflow")), place, uuid.uuid4().hex)
