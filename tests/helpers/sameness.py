"""A run of byok8s held against plain Snakemake's, as tests do it."""

from __future__ import annotations

from conformance.attempt import attempt
from conformance.compare import differences
from conformance.oracle import consult
from conformance.place import Place
from conformance.workflow import Workflow


def how_it_differs(workflow: Workflow, place: Place, name: str) -> str:
    """Return in words how the workflow's results differ from plain Snakemake's; empty if they are the same.

    name: one that no other run at the place has.
    """
    oracle = consult(workflow)
    assert oracle.ended, f"plain Snakemake does not end as it should:\n{oracle.words}"
    made = attempt(workflow, place, name)
    found = differences(oracle, made)
    return "\n".join([*found, made.words]) if found else ""
