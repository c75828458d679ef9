"""The critical path: the jobs that the run has waited for, one after another, from its start to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from byok8s.history.state import State, Try
from byok8s.report.time import OF_JOBS, Spent


@dataclass(frozen=True)
class Step:
    """A try on the path. ready: seconds in which Snakemake could have given it, and had given as many as it may."""

    id: str
    ready: float
    spent: Spent


@dataclass(frozen=True)
class Path:
    """steps: in the order of time. seconds: of the run's whole time, by phase."""

    steps: Sequence[Step]
    seconds: Mapping[str, float]


def path(
    state: State, spent: Mapping[str, Spent], until: int, gaps: Sequence[tuple[int, int]] = ()
) -> Path | None:
    """Return the path; None if the record does not say which job comes after which, or has no job.

    gaps: times in which no controller was at work.
    """
    if state.first is None or all(each.after is None for each in state.tries.values()):
        return None
    chain = list(_chain(state))[::-1]
    if not chain:
        return None
    seconds = dict.fromkeys(("plan", "ready", "gone", *OF_JOBS, "end"), 0.0)
    planned = min(each.given for each in state.tries.values() if each.given is not None)
    seconds["plan"] = (planned - state.first) / 1000
    steps, reached = [], planned
    for each in chain:
        given = each.given or reached
        # a try is noted to have ended when the next has been given already
        overlap = max(0, reached - given)
        gone = sum(max(0, min(given, end) - max(reached, begin)) for begin, end in gaps) / 1000
        ready = max(0, given - reached) / 1000 - gone
        seconds["ready"] += ready
        seconds["gone"] += gone
        own = _without(spent[each.id], overlap)
        for phase, took in zip(OF_JOBS, own, strict=True):
            seconds[phase] += took / 1000
        steps.append(Step(each.id, ready, own))
        reached = max(reached, until if each.ended is None else each.ended)
    seconds["end"] = max(0, until - reached) / 1000
    return Path(steps, seconds)


def _without(spent: Spent, overlap: float) -> Spent:
    """Return what is left of a try's time without its beginning."""
    left, cut = [], overlap
    for took in spent:
        left.append(max(0.0, took - cut))
        cut = max(0.0, cut - took)
    return Spent(*left)


def _chain(state: State) -> Iterator[Try]:
    """Yield the tries from the last to the first."""
    tries: dict[str, list[Try]] = {}
    for each in state.tries.values():
        if each.given is not None:
            tries.setdefault(each.job, []).append(each)
    known = [each for of_job in tries.values() for each in of_job]
    last = max(known, key=lambda each: (each.ended is None, each.ended or 0, each.given or 0), default=None)
    while last is not None:
        yield last
        last = _before(last, tries)


def _before(each: Try, tries: Mapping[str, Sequence[Try]]) -> Try | None:
    """Return what a try has waited for: the last of those that made its inputs, and of its job's tries before."""
    given = each.given or 0
    makers = [maker for job in each.after or () for maker in tries.get(job, ()) if job != each.job]
    ended = [maker for maker in makers if maker.ended is not None and maker.ended <= given]
    earlier = [other for other in tries[each.job] if (other.given or 0) < given and other.ended is not None]
    return max([*ended, *earlier], key=lambda other: other.ended or 0, default=None)
