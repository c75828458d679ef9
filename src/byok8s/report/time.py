"""Where the time of jobs went: each millisecond of each try is of one phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from byok8s.history.state import Try
from byok8s.report.workers import Worker

WORDS: Final[Mapping[str, str]] = {
    "plan": "planning, before the first job",
    "ready": "ready, but held back by Snakemake (--jobs)",
    "gone": "byok8s was not at work",
    "queue": "waiting for a worker",
    "node": "waiting for a node",
    "pull": "pulling the image, starting the pod",
    "start": "starting the worker",
    "fetch": "fetching inputs",
    "run": "running",
    "store": "storing outputs",
    "handover": "handing over",
    "unsplit": "in a pod, phases not recorded",
    "end": "after the last job",
}
OF_JOBS: Final = ("queue", "node", "pull", "start", "fetch", "run", "store", "handover", "unsplit")
_IN_POD: Final = ("fetch", "run", "store")


class Spent(NamedTuple):
    """Milliseconds of a try, by phase."""

    queue: float = 0
    node: float = 0
    pull: float = 0
    start: float = 0
    fetch: float = 0
    run: float = 0
    store: float = 0
    handover: float = 0
    unsplit: float = 0


def spent(each: Try, worker: Worker | None, until: int) -> Spent:
    """Return where the time of a try went, from when it was given to its end. until: the end of what is known."""
    if each.given is None:
        return Spent()
    end = max(each.given, until if each.ended is None else each.ended)
    began = end if each.began is None else min(max(each.given, each.began), end)
    return Spent(**_waited(each.given, began, worker), **_worked(each, end - began))


def _waited(given: int, began: int, worker: Worker | None) -> dict[str, float]:
    """Divide the time before a try began: by how the worker was that took it."""
    phases = {phase: float(end - begin) for phase, begin, end in waits(given, began, worker)}
    return {"queue": began - given - sum(phases.values()), **phases}


def waits(given: int, began: int, worker: Worker | None) -> Iterator[tuple[str, int, int]]:
    """Yield how the worker was between two times, with when that began and ended: what is left is the queue's."""
    if worker is None:
        return
    marks = (worker.created, worker.scheduled, worker.started, worker.ready)
    for phase, first, last in zip(("node", "pull", "start"), marks, marks[1:], strict=False):
        if (end := min(began, last)) > (begin := max(given, first)):
            yield phase, begin, end


def _worked(each: Try, whole: int) -> dict[str, float]:
    """Divide the time after a try began. Phases are by the node's clock, which may go faster than ours."""
    if not each.pod:
        return {"run": whole}
    known = {phase: each.seconds[phase] * 1000 for phase in _IN_POD if phase in each.seconds}
    if not known:
        return {"unsplit": whole}
    if (sum_ := sum(known.values())) > whole:
        known = {phase: took * whole / sum_ for phase, took in known.items()}
    return _with_rest(each, known, whole - sum(known.values()))


def _with_rest(each: Try, known: dict[str, float], rest: float) -> dict[str, float]:
    """Add what no phase is known to have taken: of a try that was cut off it is the phase that it was in."""
    if "run" not in known:
        return {**known, "run": rest}
    if "store" not in known and each.ended is None:
        return {**known, "store": rest}
    return {**known, "handover": rest}


def total(of: Iterable[Spent]) -> dict[str, float]:
    """Return the seconds of each phase."""
    sums = [0.0] * len(OF_JOBS)
    for each in of:
        for number, took in enumerate(each):
            sums[number] += took
    return {phase: took / 1000 for phase, took in zip(OF_JOBS, sums, strict=True)}
