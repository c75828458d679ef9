"""A fixed part of Snakemake's own tests, with --local: right, or different as known.toml tells."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from ahead import ahead
from conformance import known
from conformance.cases import cases
from conformance.corpus import load
from conformance.place import this_machine
from conformance.verdict import Verdict, judge

KNOWN = known.load()


@pytest.fixture(scope="module")
def verdict(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Verdict]]:
    tests = {case.name: case for case in cases(load())[0]}
    with this_machine() as place:
        run = uuid.uuid4().hex[:8]
        yield from ahead(request, lambda name: judge(tests[name], place, KNOWN, run))


@pytest.mark.parametrize("name", KNOWN.subset)
def test_snakemakes_own(name: str, verdict: Callable[[str], Verdict]) -> None:
    found = verdict(name)
    assert not found.fault, f"{found.fault}\n{found.words}"
