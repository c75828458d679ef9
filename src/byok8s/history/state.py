"""What is known of a run after some of its events: `fold` takes in one after another, whoever wants to know it.

Values in, values out; no clock: what lasts is reckoned up to a time that the asker names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from byok8s.history import event as events
from byok8s.history.event import CANCELED, COMPLETE, RUNNING, Event

_MOST: Final = 1e15  # JSON has larger numbers, and Python reads infinity out of it
PHASES: Final = {"fetched": "fetch", "ran": "run", "stored": "store"}


class Try(Struct, frozen=True):  # of a long run a million copies are made, which dataclasses take seconds for
    """A try of a job. Times are in milliseconds since 1970, None for what has not happened.

    state: empty before it has begun, then one of `event`'s. rules: of a group's jobs, else its own. at_once: of a
    group, how many of its jobs run at a time at most; None if that is not known. seconds: by phase.
    threads, mem_mb: asked for. max_rss: MB. cpu_time: seconds. io_in, io_out: MB that disks gave and got. fetched,
    cached, stored: bytes of its files that came from the bucket, that its worker had kept, and that went into the
    bucket. after: the jobs that made its inputs, the last to end first; None if that is not known. outputs: as the
    Snakefile has them.
    """

    id: str
    job: str = ""
    rule: str = ""
    rules: tuple[str, ...] = ()
    at_once: int | None = None
    name: str = ""
    wildcards: Mapping[str, str] = {}
    threads: int | None = None
    mem_mb: int | None = None
    attempt: int = 1
    given: int | None = None
    began: int | None = None
    ended: int | None = None
    state: str = ""
    pod: str = ""
    node: str = ""
    exit: int | None = None
    cause: str = ""
    why: str = ""
    seconds: Mapping[str, float] = {}
    max_rss: float | None = None
    cpu_time: float | None = None
    io_in: float | None = None
    io_out: float | None = None
    fetched: int | None = None
    cached: int | None = None
    stored: int | None = None
    after: tuple[str, ...] | None = None
    outputs: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return self.state not in {"", RUNNING, COMPLETE, CANCELED}

    @property
    def phase(self) -> str:
        """What it is at while it runs; nothing as long as that is not known."""
        return (
            "storing its outputs" if "run" in self.seconds else "running" if "fetch" in self.seconds else ""
        )


class Worker(Struct, frozen=True):
    """A pod. phase: created, waits, scheduled, started, idle, busy or gone. since: when that began.

    images: what it was made of, digests by name.
    """

    pod: str
    phase: str
    since: int
    threads: int | None = None
    mem_mb: int | None = None
    node: str = ""
    why: str = ""
    cause: str = ""
    images: Mapping[str, str] = {}


class Away(Struct, frozen=True):
    """What does not answer. part: api or s3. pod: that asks it; nothing for the controller. since: its event."""

    part: str
    pod: str
    since: int
    why: str


@dataclass
class State:
    """All that is known of a run.

    facts: what its start says. planned: jobs by rule. tries: by id, in the order in which they were given. latest: the
    last try of each job, by job. away: by part and pod, what does not answer. first, last: times of events. exit:
    byok8s' exit code, None while it is not over.
    """

    facts: Mapping[str, object] = field(default_factory=dict)
    planned: Counter[str] = field(default_factory=Counter)
    tries: dict[str, Try] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    away: dict[tuple[str, str], Away] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    state: str = ""
    exit: int | None = None

    @property
    def over(self) -> bool:
        return self.state not in {"", RUNNING}

    def jobs(self) -> Iterator[Try]:
        """Yield the last try of each job."""
        return (self.tries[id_] for id_ in self.latest.values())

    def count(self, rule: str, *, state: str) -> int:
        return sum(each.rules.count(rule) for each in self.jobs() if each.state == state)

    def failures(self) -> list[Try]:
        """Return the jobs that have failed for good, or have not been tried again yet, in the order of their ends."""
        return sorted((each for each in self.jobs() if each.failed), key=lambda each: each.ended or 0)


def folded(all_: Iterable[Event]) -> State:
    """Return what is known after events, from the first one on."""
    state = State()
    for each in all_:
        fold(state, each)
    return state


def fold_lines(state: State, data: bytes) -> int:
    """Take in events as a file has them, as far as lines are whole. Return how many bytes these are."""
    whole = data[: data.rfind(b"\n") + 1]
    for each in events.parsed(whole):
        fold(state, each)
    return len(whole)


def fold(state: State, event: Event) -> None:
    """Take in one more event: into this very state, as copies of a long run's would take the square of its length.

    An event of another kind than these is one of a later version, and changes nothing but the time.
    """
    when = events.milliseconds(event) or 0
    state.first = when if state.first is None else state.first
    state.last = when
    kind, _, what = _text(event, "event").partition(".")
    if kind == "job" and (id_ := _text(event, "id")):
        _fold_job(state, event, id_, what, when)
    elif kind == "run":
        _fold_run(state, event, what)
    elif kind == "worker" and (pod := _text(event, "pod")):
        _fold_worker(state, event, pod, what, when)
    elif kind in {"api", "s3"}:
        _fold_away(state, event, (kind, _text(event, "pod")), what, when)


def _fold_run(state: State, event: Event, what: str) -> None:
    match what:
        case "started":
            state.facts = {**event, **({"time": state.facts["time"]} if state.facts else {})}
            state.state, state.exit = RUNNING, None
            state.away.clear()  # what its controller has not seen it does not tell the end of
        case "planned":
            # a run that goes on plans what is left
            done = Counter(rule for each in state.jobs() if each.state == COMPLETE for rule in each.rules)
            planned = event.get("jobs")
            counts = planned.items() if isinstance(planned, Mapping) else ()
            state.planned = done + Counter({str(rule): n for rule, n in counts if isinstance(n, int)})
        case "ended":
            state.state = _text(event, "state") or CANCELED
            state.exit = _int(event, "exit")
            state.away.clear()
            for each in list(state.tries.values()):
                if each.state in {"", RUNNING}:
                    state.tries[each.id] = replace(each, state=CANCELED, ended=state.last)
            for worker in list(state.workers.values()):
                if worker.phase != "gone":
                    state.workers[worker.pod] = replace(worker, phase="gone", since=state.last or 0)


def _fold_job(state: State, event: Event, id_: str, what: str, when: int) -> None:
    found = state.tries.get(id_) or Try(id_, job=id_.partition("-")[0])
    match what:
        case "given":
            # given again: by a controller that goes on with a run, of which the one before had begun it
            found = _given(event, found, when)
            state.latest.pop(found.job, None)
            state.latest[found.job] = id_
        case "began" if found.ended is None:
            found = replace(found, state=RUNNING, began=found.began or when, pod=_text(event, "pod"))
            _busy(state, found.pod, when)
        case "fetched" | "ran" | "stored":
            seconds = _number(event, "seconds")
            found = replace(found, seconds={**found.seconds, PHASES[what]: seconds or 0.0})
        case "ended":
            found = _ended(event, found, when)
            _end_waiting(state, found.pod)
    state.tries[id_] = found


def _given(event: Event, found: Try, when: int) -> Try:
    wildcards, rules, after = event.get("wildcards"), event.get("rules"), event.get("after")
    outputs = event.get("outputs")
    rule = _text(event, "rule")
    again = found.given is not None and found.ended is None
    return Try(
        found.id,
        job=_text(event, "job") or found.job,
        rule=rule,
        rules=tuple(map(str, rules)) if isinstance(rules, list) else (rule,),
        at_once=_int(event, "at_once"),
        name=_text(event, "name") or found.id,
        wildcards={str(key): str(value) for key, value in wildcards.items()}
        if isinstance(wildcards, dict)
        else {},
        threads=_int(event, "threads"),
        mem_mb=_int(event, "mem_mb"),
        attempt=_int(event, "attempt") or 1,
        given=found.given if again else when,
        began=found.began if again else None,
        state=found.state if again else "",
        pod=found.pod if again else "",
        # of a group that has ended, a controller that goes on with the run knows the members alone
        after=_joined(found.after if again else None, after),
        outputs=tuple(map(str, outputs)) if isinstance(outputs, list) else (),
    )


def _joined(known: tuple[str, ...] | None, more: object) -> tuple[str, ...] | None:
    if not isinstance(more, list):
        return known
    return tuple(dict.fromkeys([*(known or ()), *map(str, more)]))


def _ended(event: Event, found: Try, when: int) -> Try:
    return replace(
        found,
        ended=when,
        state=_text(event, "state"),
        pod=_text(event, "pod") or found.pod,
        node=_text(event, "node"),
        exit=_int(event, "exit"),
        cause=_text(event, "cause"),
        why=_text(event, "why"),
        max_rss=_number(event, "max_rss"),
        fetched=_int(event, "fetched_bytes"),
        cached=_int(event, "cached_bytes"),
        stored=_int(event, "stored_bytes"),
        cpu_time=_number(event, "cpu_time"),
        io_in=_number(event, "io_in"),
        io_out=_number(event, "io_out"),
    )


def _fold_worker(state: State, event: Event, pod: str, what: str, when: int) -> None:
    if what == "gone":
        _end_waiting(state, pod)
    before = state.workers.get(pod) or Worker(pod, what, when)
    # that a pod runs is said again when something is about to end it
    phase = before.phase if what == "started" and before.phase in {"busy", "idle"} else what
    since = before.since if before.phase == phase else when
    state.workers[pod] = replace(
        before,
        phase=phase,
        since=since,
        threads=before.threads if before.threads is not None else _int(event, "threads"),
        mem_mb=before.mem_mb if before.mem_mb is not None else _int(event, "mem_mb"),
        node=_text(event, "node") or before.node,
        why=_text(event, "why"),
        cause=_text(event, "cause"),
        images=_words(event, "images") or before.images,
    )


def _busy(state: State, pod: str, when: int) -> None:
    if worker := state.workers.get(pod):
        state.workers[pod] = replace(worker, phase="busy", since=when, why="", cause="")


def _fold_away(state: State, event: Event, key: tuple[str, str], what: str, when: int) -> None:
    if what == "away":
        state.away.setdefault(key, Away(*key, when, _text(event, "why")))
    elif what == "back":
        state.away.pop(key, None)


def _end_waiting(state: State, pod: str) -> None:
    """A pod waits for S3 no longer than its job runs."""
    if pod:
        state.away.pop(("s3", pod), None)


def _words(event: Event, name: str) -> dict[str, str]:
    value = event.get(name)
    return {str(key): str(word) for key, word in value.items()} if isinstance(value, Mapping) else {}


def _text(event: Event, name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def _int(event: Event, name: str) -> int | None:
    value = event.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST else None


def _number(event: Event, name: str) -> float | None:
    value = event.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not -_MOST < value < _MOST:
        return None
    return float(value)
