"""All that a report says of a run, reckoned from its events. No clock, no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from byok8s.history import sizes, status
from byok8s.history.event import Event, milliseconds
from byok8s.history.state import State, Try, fold
from byok8s.report import cores as over_time
from byok8s.report import prices, time, usage
from byok8s.report.cores import Cores
from byok8s.report.path import Path, path
from byok8s.report.prices import Prices, Reserved
from byok8s.report.time import Spent
from byok8s.report.usage import Rule
from byok8s.report.workers import Marks, Worker, workers

SCHEMA = "byok8s.report/1"


@dataclass(frozen=True)
class Jobs:
    """How many there are, and how they are. tries: more than the jobs that were given, if some were tried again."""

    total: int
    done: int
    running: int
    waiting: int
    failed: int
    tries: int
    again: int


@dataclass(frozen=True)
class Image:
    """An image that containers were made of. rules: those whose jobs ran in its pods."""

    name: str
    digest: str
    rules: Sequence[str]


@dataclass(frozen=True)
class Figures:
    """What is known of a run. None stands for what is not recorded.

    state: a word of history.status. facts: what the run said as it started. first, until: times, in milliseconds since
    1970, of its beginning and of the end of what is known. spent: of each try, by its id. phases: seconds of all tries.
    lost: tries that were not the last of their job, by what ended them. away: seconds in which each of status.PARTS did
    not answer. cost: by the prices, None without any.
    """

    run: str
    state: str
    alive: bool
    exit: int | None
    facts: Mapping[str, object]
    first: int
    until: int
    jobs: Jobs
    tries: Mapping[str, Try]
    spent: Mapping[str, Spent]
    phases: Mapping[str, float]
    path: Path | None
    rules: Sequence[Rule]
    workers: Sequence[Worker]
    images: Sequence[Image]
    cores: Cores
    reserved: Reserved
    prices: Prices | None
    cost: float | None
    cost_idle: float | None
    failures: Sequence[Try]
    lost: Mapping[str, int]
    away: Mapping[str, float]

    @property
    def seconds(self) -> float:
        return (self.until - self.first) / 1000

    @property
    def cpu_hours(self) -> float | None:
        """Processor-hours that jobs have used, as far as it was measured."""
        known = [rule.cpu for rule in self.rules if rule.measured]
        return sum(known) / 3600 if known else None


def figures(
    run: str, events: Iterable[Event], now: int, *, alive: bool, table: Prices | None = None
) -> Figures:
    """Reckon. now: in milliseconds since 1970. alive: whether a controller is at work on the run."""
    state, marks, away = State(), Marks(), _Away()
    gaps: list[tuple[int, int]] = []
    for event in events:
        if event.get("event") == "run.started" and state.last is not None:
            gaps.append((state.last, milliseconds(event) or state.last))
        fold(state, event)
        marks.note(event)
        away.look(state)
    first = state.first or 0
    until = now if alive and not state.over else (state.last or first)
    found = workers(state, marks, until)
    by_pod = {worker.pod: worker for worker in found}
    spent = {
        id_: time.spent(each, by_pod.get(each.pod) if each.pod else None, until)
        for id_, each in state.tries.items()
    }
    reserved = prices.reserved(found)
    return Figures(
        run,
        status.word(state, alive=alive),
        alive,
        state.exit,
        state.facts,
        first,
        until,
        _jobs(state),
        state.tries,
        spent,
        time.total(spent.values()),
        path(state, spent, until, gaps),
        usage.rules(state.tries.values(), spent),
        found,
        _images(state),
        over_time.cores(found, state.tries.values(), first, until),
        reserved,
        table,
        table.of(reserved.whole) if table else None,
        table.of(reserved.idle) if table else None,
        state.failures(),
        _lost(state),
        away.seconds(until),
    )


def _jobs(state: State) -> Jobs:
    rules = status.rules(state)
    counts = {
        name: sum(getattr(rule, name) for rule in rules)
        for name in ("total", "done", "running", "waiting", "failed")
    }
    return Jobs(**counts, tries=len(state.tries), again=len(state.tries) - len(state.latest))


def _images(state: State) -> list[Image]:
    rules: dict[tuple[str, str], dict[str, None]] = {}
    for each in state.tries.values():
        worker = state.workers.get(each.pod)
        for image in worker.images.items() if worker else ():
            rules.setdefault(image, {}).update(dict.fromkeys(each.rules))
    return [Image(*image, sorted(of)) for image, of in sorted(rules.items())]


def _lost(state: State) -> dict[str, int]:
    """Count the tries that were followed by another one."""
    last = set(state.latest.values())
    causes = (each.cause or each.state for id_, each in state.tries.items() if id_ not in last)
    return dict(Counter(cause for cause in causes if cause).most_common())


class _Away:
    """Sums up the time in which a part, the Kubernetes API or S3, did not answer somebody who asked it."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}
        self._sums = dict.fromkeys(status.PARTS, 0)

    def look(self, state: State) -> None:
        """Take in who waits for what now. However many workers wait for S3, a second counts once."""
        when, now = state.last or 0, {each.part for each in state.away.values()}
        for part in now - self._since.keys():
            self._since[part] = when
        for part in self._since.keys() - now:
            self._sums[part] += when - self._since.pop(part)

    def seconds(self, until: int) -> dict[str, float]:
        return {
            part: (known + (until - self._since.get(part, until))) / 1000
            for part, known in self._sums.items()
        }


def as_json(found: Figures) -> dict[str, object]:
    """Return the figures for machines; what is said of single tries `byok8s trace --json` has."""
    whole = found.reserved
    return {
        "schema": SCHEMA,
        "run": found.run,
        "state": found.state,
        "exit": found.exit,
        "started": found.facts,
        "seconds": found.seconds,
        "jobs": asdict(found.jobs),
        "phases": found.phases,
        "critical_path": found.path and _path(found.path),
        "rules": [asdict(rule) for rule in found.rules],
        "workers": [_worker(found, each) for each in found.workers],
        "images": [asdict(image) for image in found.images],
        "cores": asdict(found.cores),
        "hours": {**asdict(whole), "cpu": found.cpu_hours, "idle_share": whole.idle_share},
        "cost": found.prices
        and {"currency": found.prices.currency, "whole": found.cost, "idle": found.cost_idle},
        "failures": [
            {"job": each.name, "id": each.id, "cause": each.cause, "why": each.why, "exit": each.exit}
            for each in found.failures
        ],
        "lost": found.lost,
        "api_away": found.away["api"],
        "s3_away": found.away["s3"],
        "profile": sizes.profile(rule.better for rule in found.rules),
        "flags": sizes.flags(rule.better for rule in found.rules),
    }


def _path(found: Path) -> dict[str, object]:
    steps = [
        {"id": step.id, "ready": step.ready}
        | {phase: took / 1000 for phase, took in step.spent._asdict().items()}
        for step in found.steps
    ]
    return {"seconds": found.seconds, "steps": steps}


def _worker(found: Figures, each: Worker) -> dict[str, object]:
    marks = {
        name: (getattr(each, name) - found.first) / 1000
        for name in ("created", "scheduled", "started", "ready", "gone")
    }
    own = {"pod": each.pod, "node": each.node, "threads": each.threads, "mem_mb": each.mem_mb}
    return {
        **own,
        **marks,
        "jobs": each.jobs,
        "busy": each.busy / 1000,
        "idle": each.idle / 1000,
        "why": each.why,
    }
