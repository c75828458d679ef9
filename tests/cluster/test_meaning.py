"""Small workflows mean the same on a real cluster as with plain Snakemake; each file of their results is compared."""

from collections.abc import Callable, Iterator

import pytest

from ahead import ahead
from conformance.place import the_cluster
from meanings import MEANINGS, NOT_YET, marked
from sameness import how_it_differs


@pytest.fixture(scope="module")
def differs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    numbers = {name: f"meaning-{number}" for number, name in enumerate(MEANINGS)}
    with the_cluster() as place:

        def run(name: str) -> str:
            workflow = MEANINGS[name].written(tmp_path_factory.mktemp("meaning"))
            return how_it_differs(workflow, place, numbers[name])

        yield from ahead(request, run)


@pytest.mark.parametrize("name", marked(NOT_YET["cluster"]))
def test_it_means_the_same(name: str, differs: Callable[[str], str]) -> None:
    assert differs(name) == ""
