"""A fixed part of Snakemake's own tests, on a real cluster: right, or different as known.toml tells."""

from collections.abc import Callable

import pytest

from conformance.place import Place
from conformance.verdict import Verdict
from verdicts import KNOWN, verdicts


@pytest.fixture(scope="module")
def verdict(place: Place) -> Callable[[str], Verdict]:
    return verdicts(place)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.alone] if name in KNOWN.whole_node else [])
        for name in KNOWN.subset[1::2]
    ],
)
def test_snakemakes_own(name: str, verdict: Callable[[str], Verdict]) -> None:
    found = verdict(name)
    assert not found.fault, f"{found.fault}\n{found.words}"
