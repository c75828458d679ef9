"""What the tests of runs on this machine share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.place import Place, this_machine


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with this_machine() as place:
        yield place
