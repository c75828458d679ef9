"""One test at one place: run, compared, and judged by what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance import oracle
from conformance.attempt import attempt
from conformance.cases import Case
from conformance.compare import differences
from conformance.known import Difference, Known
from conformance.oracle import Oracle
from conformance.place import Place

SHOWN = 4  # differences of one test


@dataclass(frozen=True)
class Verdict:
    """A test that was run at a place.

    different: how the run differs from plain Snakemake's. known: what is known of that. words: what byok8s said.
    """

    name: str
    place: str
    different: Sequence[str]
    known: Difference | None
    seconds: float
    words: str

    @property
    def fault(self) -> str:
        """Return what is wrong with the verdict itself; empty if the test is right, or differs as is known."""
        if self.different and not self.known:
            more = [f"and {len(self.different) - SHOWN} more"] if len(self.different) > SHOWN else []
            return "; ".join([*self.different[:SHOWN], *more])
        if self.known and not self.different and not self.known.sometimes:
            return "does not differ any more: remove it from known.toml"
        return ""


def unusable(case: Case, found: Oracle) -> str:
    """Return why plain Snakemake's run says nothing about byok8s' here; empty if it does."""
    if not found.ended:
        return "plain Snakemake itself does not end as the test wants it"
    wrong = [*(found.absent if case.names else []), *(found.other if case.contents else [])]
    if wrong:
        return f"plain Snakemake itself does not make what the test expects: {', '.join(wrong)}"
    return ""


def judge(case: Case, place: Place, known: Known, run: str) -> Verdict:
    """Run the test. run: a word that no other run has. Raises ValueError for a test without an oracle."""
    found = oracle.consult(case.workflow)
    if why := unusable(case, found):
        raise ValueError(f"{case.name}: {why}.")
    made = attempt(case.workflow, place, f"{run}/{case.name}")
    return Verdict(
        name=case.name,
        place=place.name,
        different=differences(found, made),
        known=known.difference(case.name, place.name),
        seconds=made.seconds,
        words=made.words,
    )
