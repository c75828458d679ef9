"""Workflows at random mean the same on a real cluster as with plain Snakemake."""

from at_random import at_random, meaning_differs
from conformance.place import Place
from meaning import Meaning


@at_random(3)
def test_it_means_the_same(place: Place, meaning: Meaning) -> None:
    assert meaning_differs(meaning, place) == ""
