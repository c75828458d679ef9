"""Verdicts on Snakemake's own tests, for tests that each look at one of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from conformance import known
from conformance.cases import cases
from conformance.corpus import load
from conformance.place import Place
from conformance.verdict import Verdict, judge

KNOWN = known.load()


def verdicts(place: Place) -> Callable[[str], Verdict]:
    """Return what returns the verdict on the test of a name, at a place."""
    tests = {case.name: case for case in cases(load())[0]}
    run = uuid.uuid4().hex[:8]
    return lambda name: judge(tests[name], place, KNOWN, run)
