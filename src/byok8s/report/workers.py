"""The lives of workers, and what each did with its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from byok8s.history import event as events
from byok8s.history.event import Event
from byok8s.history.state import State, Try

MARKS: Final[Mapping[str, str]] = {
    "worker.created": "created",
    "worker.scheduled": "scheduled",
    "worker.started": "started",
    "worker.idle": "ready",
    "job.began": "ready",
    "worker.gone": "gone",
}


@dataclass(frozen=True)
class Worker:
    """A pod. Times are in milliseconds since 1970.

    created: when it was asked for. scheduled: when a node took it. started: when its container ran. ready: when it had
    its first job, or nothing to do. gone: when it was, or the end of what is known. threads, mem_mb: None if not
    recorded. jobs: tries that it had. busy: milliseconds with a job. why: what it last waited for a node for.
    """

    pod: str
    node: str
    threads: int | None
    mem_mb: int | None
    created: int
    scheduled: int
    started: int
    ready: int
    gone: int
    jobs: int
    busy: int
    why: str

    @property
    def idle(self) -> int:
        return max(0, self.gone - self.ready - self.busy)


class Marks:
    """Notes when something first happened to each pod, as events come."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, int]] = {}
        self.why: dict[str, str] = {}

    def note(self, event: Event) -> None:
        name = MARKS.get(str(event.get("event")))
        pod = event.get("pod")
        if name and isinstance(pod, str) and pod:
            self.of.setdefault(pod, {}).setdefault(name, events.milliseconds(event) or 0)
        elif event.get("event") == "worker.waits" and isinstance(pod, str) and event.get("why"):
            self.why[pod] = str(event["why"])


def workers(state: State, marks: Marks, until: int) -> list[Worker]:
    """Return the workers in the order in which they were asked for. until: the end of what is known."""
    own: dict[str, list[Try]] = {}
    for each in state.tries.values():
        if each.pod and each.began is not None:
            own.setdefault(each.pod, []).append(each)
    found = [worker(state, marks, pod, own.get(pod, []), until) for pod in marks.of]
    return sorted(found, key=lambda each: each.created)


def worker(state: State, marks: Marks, pod: str, own: Iterable[Try], until: int) -> Worker:
    """Return a worker. own: the tries that it had. until: the end of what is known."""
    known, marked = state.workers.get(pod), marks.of.get(pod, {})
    gone = marked.get("gone", until)
    # what was not seen happened with what came next
    ready = min(marked.get("ready", gone), gone)
    started = min(marked.get("started", ready), ready)
    scheduled = min(marked.get("scheduled", started), started)
    created = min(marked.get("created", scheduled), scheduled)
    spans = sorted((each.began or 0, until if each.ended is None else each.ended) for each in own)
    return Worker(
        pod,
        known.node if known else "",
        known.threads if known else None,
        known.mem_mb if known else None,
        *(created, scheduled, started, ready, gone),
        len(spans),
        _covered(spans, gone),
        marks.why.get(pod, ""),
    )


def _covered(spans: Iterable[tuple[int, int]], gone: int) -> int:
    """Return how long at least one of some spans lasts, until a time."""
    total, reached = 0, 0
    for begin, end in spans:
        end_ = min(end, gone)
        total += max(0, end_ - max(begin, reached))
        reached = max(reached, end_)
    return total
