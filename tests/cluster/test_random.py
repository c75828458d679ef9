"""Workflows at random mean the same on a real cluster as with plain Snakemake.

The same few each time; BYOK8S_TEST_RANDOM=100 tries so many others.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from conformance.place import Place, the_cluster
from meaning import Meaning
from random_workflows import workflows
from sameness import how_it_differs

ASKED = os.environ.get("BYOK8S_TEST_RANDOM")
EXAMPLES = int(ASKED or 3)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with the_cluster() as place:
        yield place


# nothing is made smaller: each try takes seconds
@settings(
    max_examples=EXAMPLES,
    derandomize=not ASKED,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(meaning=workflows())
@pytest.mark.timeout(120 * EXAMPLES)
def test_it_means_the_same(place: Place, meaning: Meaning) -> None:
    with TemporaryDirectory() as scratch:
        workflow = meaning.written(Path(scratch, "workflow"))
        assert how_it_differs(workflow, place, uuid.uuid4().hex) == ""
