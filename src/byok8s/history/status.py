"""How a run is, in lines for people and as JSON. Values in, values out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from msgspec.structs import asdict

from byok8s.history.event import CANCELED, COMPLETE, RUNNING, Event
from byok8s.history.state import Away, State, Try, Worker

MOST_LINES: Final = 20  # of jobs and of failures; the rest is counted
LOST: Final = "LOST"  # no end is noted, and nobody is at work on it
WORDS: Final[Mapping[str, str]] = {
    "": "state not known",  # of plain Snakemake with the executor, which notes jobs and pods alone
    RUNNING: "running",
    COMPLETE: "complete",
    CANCELED: "interrupted",
    LOST: "its controller is gone; the same command goes on with it",
}
PHASES: Final[Mapping[str, str]] = {
    "created": "asked for",
    "waits": "waiting for a node",
    "scheduled": "on a node, pulling its image or starting",
    "started": "started",
    "idle": "idle",
    "busy": "busy",
}


PARTS: Final[Mapping[str, str]] = {"api": "The Kubernetes API", "s3": "S3"}


@dataclass(frozen=True)
class Rule:
    """The jobs of a rule.

    median, fastest, slowest: seconds that its jobs took, from their begin to their end; None without any.
    """

    name: str
    total: int
    done: int
    running: int
    waiting: int
    failed: int
    median: float | None
    fastest: float | None = None
    slowest: float | None = None


def rules(state: State) -> list[Rule]:
    """Return the rules in the order in which their first jobs were given, then those that none was given of."""
    counts: dict[str, Counter[str]] = {}
    seconds: dict[str, list[float]] = {}
    for each in state.jobs():
        kind = "failed" if each.failed else each.state
        for rule in each.rules:
            counts.setdefault(rule, Counter())[kind] += 1
            if each.state == COMPLETE and (took := lasted(each, each.ended)) is not None:
                seconds.setdefault(rule, []).append(took)
    for rule in state.planned:
        counts.setdefault(rule, Counter())
    return [_rule(state, rule, found, seconds.get(rule, [])) for rule, found in counts.items()]


def _rule(state: State, name: str, found: Counter[str], seconds: Sequence[float]) -> Rule:
    total = max(state.planned[name], found.total())  # a checkpoint may add what was not planned
    done, running, failed = found[COMPLETE], found[RUNNING], found["failed"]
    return Rule(
        name,
        total,
        done,
        running,
        total - done - running - failed,
        failed,
        *((round(of(seconds), 3) for of in (median, min, max)) if seconds else (None, None, None)),
    )


def lasted(each: Try, until: int | None) -> float | None:
    """Return how many seconds a job has run."""
    return None if each.began is None or until is None else max(0, until - each.began) / 1000


def running(state: State) -> list[Try]:
    """Return the jobs under way, those first that run longest."""
    return sorted((each for each in state.jobs() if each.state == RUNNING), key=lambda each: each.began or 0)


def workers(state: State) -> list[Worker]:
    return [worker for worker in state.workers.values() if worker.phase != "gone"]


def word(state: State, *, alive: bool) -> str:
    """Return the state of a run: that of its record, or that nobody is at work on it any more."""
    return state.state if alive or state.over or not state.state else LOST


# -- for people --


def lines(run: str, state: State, now: int, *, alive: bool) -> Iterator[str]:
    """Yield the lines. now: in milliseconds since 1970. alive: whether a controller is at work on the run."""
    known = rules(state)
    yield head(run, state, now, known, alive=alive)
    yield from away(state, now if alive else state.last or now)
    yield from _table_of_rules(known)
    until = now if alive else state.last or now
    if (found := running(state)) and not state.over:
        yield from ["", "Running:" if alive else "Running when last heard of:"]
        yield from _cut([_job(each, until) for each in found])
    if found_workers := groups(state, until):
        yield from ["", "Workers:", *found_workers]
    if failures := state.failures():
        yield from ["", "Failures:"]
        yield from _cut([row for each in failures for row in _failure(run, each)], each=2)


def head(run: str, state: State, now: int, all_: Sequence[Rule], *, alive: bool) -> str:
    """Return one line: the run, how it is, how much is done, and how long it has taken. all_: its rules."""
    done, total = sum(rule.done for rule in all_), sum(rule.total for rule in all_)
    failed = sum(rule.failed for rule in all_)
    found = word(state, alive=alive)
    words = WORDS.get(found, "failed")
    until = now if alive and not state.over else state.last
    elapsed = (
        f", {span((until - state.first) / 1000)}" if until is not None and state.first is not None else ""
    )
    said = f"{run}: {words}, {done} of {total} jobs done" + (f", {failed} failed" if failed else "")
    return said + elapsed


def _table_of_rules(all_: Sequence[Rule]) -> Iterator[str]:
    if not all_:
        return
    rows = [["RULE", "DONE", "RUNNING", "WAITING", "FAILED", "MEDIAN"]]
    for rule in all_:
        took = span(rule.median) if rule.median is not None else "-"
        counts = (rule.running, rule.waiting, rule.failed)
        rows.append([rule.name, f"{rule.done}/{rule.total}", *(str(n or "-") for n in counts), took])
    yield ""
    yield from columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [
            f"{first:<{widths[0]}}",
            *(f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)),
        ]
        yield "  ".join(cells).rstrip()


def _job(each: Try, until: int) -> str:
    took = span(lasted(each, until) or 0)
    where = f"on {each.pod}" if each.pod else "on the controller's machine"
    return f"  {took:>10}  {each.name}  {f'{each.phase} ' if each.phase else ''}{where}"


def _failure(run: str, each: Try) -> list[str]:
    cause = f" ({each.cause})" if each.cause else ""
    return [f"  {each.name}: {each.why or 'failed'}{cause}", f"    More: byok8s logs {run} {each.name}"]


def away(state: State, now: int) -> list[str]:
    """Return a line for each part that does not answer."""
    found: dict[tuple[str, bool], list[Away]] = {}
    for each in state.away.values():
        found.setdefault((each.part, bool(each.pod)), []).append(each)
    return [_away(group, now) for group in found.values()]


def _away(group: Sequence[Away], now: int) -> str:
    """group: of one part, asked by the controller or by pods."""
    first = min(group, key=lambda each: each.since)
    of_pods = f" {len(group)} worker{'s' * (len(group) > 1)}" if first.pod else ""
    goes_on = "Jobs go on." if first.part == "api" else "It is waited for."
    words = f"{PARTS[first.part]} has not answered{of_pods} for {span(max(0, now - first.since) / 1000)}"
    return f"{words}: {first.why.rstrip('.')}. {goes_on}"


def groups(state: State, now: int) -> list[str]:
    """Return a line for the workers of each shape, phase and reason. now: in milliseconds since 1970."""
    return _workers(workers(state), now)


def _workers(found: Sequence[Worker], now: int) -> list[str]:
    """Return a line for each shape, phase and reason: how many there are, and since when the first."""
    groups: dict[tuple[str, str, str], list[Worker]] = {}
    for worker in found:
        groups.setdefault((_shape(worker), worker.phase, worker.cause and worker.why), []).append(worker)
    return [
        f"  {len(group)} worker{'s' * (len(group) > 1)} with {shape}: {PHASES.get(phase, phase)}"
        + (f": {why}" if why else "")
        + f", {span(max(0, now - min(worker.since for worker in group)) / 1000)}"
        for (shape, phase, why), group in groups.items()
    ]


def _shape(worker: Worker) -> str:
    if worker.threads is None:
        return "what an earlier controller asked for"
    threads = f"{worker.threads} thread{'s' * (worker.threads != 1)}"
    return f"{threads} and {worker.mem_mb} MB" if worker.mem_mb is not None else threads


def _cut(rows: Sequence[str], each: int = 1) -> Iterator[str]:
    yield from rows[: MOST_LINES * each]
    if (rest := len(rows) // each - MOST_LINES) > 0:
        yield f"  and {rest} more"


def span(seconds: float) -> str:
    """Return a time in words of two units at most."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def told(event: Event) -> str:
    """Return an event as a line for people."""
    time, _, rest = str(event.get("time", "")).partition(".")
    facts = {name: value for name, value in event.items() if name not in {"schema", "time", "event"}}
    return f"{time.replace('T', ' ')}.{rest.rstrip('Z')}  {event.get('event', ''):<16}  " + "  ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in facts.items()
    )


# -- for machines --


def as_json(run: str, state: State, now: int, *, alive: bool) -> dict[str, object]:
    """Return the same as `lines`, and all of it."""
    until = now if alive else state.last or now
    return {
        **summary(run, state, now, alive=alive),
        "rules": [vars(rule) for rule in rules(state)],
        "running": [
            {
                "id": each.id,
                "job": each.name,
                "rule": each.rule,
                "pod": each.pod,
                "phase": each.phase,
                "seconds": lasted(each, until),
            }
            for each in running(state)
        ],
        "away": [{**asdict(each), "since": (until - each.since) / 1000} for each in state.away.values()],
        "workers": [{**asdict(worker), "since": (until - worker.since) / 1000} for worker in workers(state)],
        "failures": [
            {
                "id": each.id,
                "job": each.name,
                "rule": each.rule,
                "state": each.state,
                "cause": each.cause,
                "why": each.why,
                "exit": each.exit,
            }
            for each in state.failures()
        ],
    }


def summary(run: str, state: State, now: int, *, alive: bool) -> dict[str, object]:
    """Return what a list of runs says of one."""
    all_ = rules(state)
    until = now if alive and not state.over else state.last
    return {
        "run": run,
        "state": word(state, alive=alive),
        "exit": state.exit,
        "started": state.facts.get("time"),
        "elapsed": (until - state.first) / 1000 if until is not None and state.first is not None else None,
        "jobs": {
            name: sum(getattr(rule, name) for rule in all_)
            for name in ("total", "done", "running", "waiting", "failed")
        },
    }
