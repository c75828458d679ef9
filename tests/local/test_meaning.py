"""Small workflows mean the same with --local as with plain Snakemake; each file of their results is compared."""

from collections.abc import Callable, Iterator

import pytest

from conformance.place import Place
from differences import differences_ahead
from meanings import NOT_YET, marked


@pytest.fixture(scope="module")
def differs(request: pytest.FixtureRequest, place: Place) -> Iterator[Callable[[str], str]]:
    yield from differences_ahead(request, place)


@pytest.mark.parametrize("name", marked(NOT_YET["local"]))
def test_it_means_the_same(name: str, differs: Callable[[str], str]) -> None:
    assert differs(name) == ""
