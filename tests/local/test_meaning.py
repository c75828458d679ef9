"""Small workflows mean the same with --local as with plain Snakemake; each file of their results is compared."""

import pytest

from conformance.place import Place
from differences import difference
from meanings import parameters


@pytest.mark.parametrize("name", parameters("local"))
def test_it_means_the_same(name: str, place: Place) -> None:
    assert difference(name, place) == ""
