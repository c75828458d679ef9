"""The events of a run as spans: the run, its jobs, and the phases of these. Values in, values out; no clock.

Names are those of OpenTelemetry's conventions for CICD spans if there is one: a run is a pipeline run, a try of a
job is a task run. Numbers follow from the run's id, so the same record has the same trace whoever sends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TypeAlias

from byok8s.history import status
from byok8s.history.event import CANCELED, COMPLETE, EXECUTOR_ERROR, Event
from byok8s.history.state import State, Try, fold
from byok8s.report import time
from byok8s.report.workers import Marks, worker

Value: TypeAlias = str | bool | int | float | Sequence[str]
Attributes: TypeAlias = Mapping[str, Value]

NANOSECONDS: Final = 1_000_000  # of a millisecond
_RESULTS: Final = {COMPLETE: "success", EXECUTOR_ERROR: "failure", CANCELED: "cancellation"}
_ERROR: Final = "error"  # what it ran on has failed
_FAILED: Final = ("failure", _ERROR)
_IN_POD: Final = ("fetch", "run", "store")


@dataclass(frozen=True)
class Span:
    """Something that took time. Times are in nanoseconds since 1970, numbers are OpenTelemetry's.

    parent: None for the run. error: what it ended with, None if it went well; nothing of which no words are known.
    """

    trace: int
    number: int
    parent: int | None
    name: str
    begin: int
    end: int
    attributes: Attributes
    error: str | None = None


class Spans:
    """Makes spans of the events of a run, the first event first. Keeps in mind what has not ended, and nothing else."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._state = State()
        self._marks = Marks()
        self._trace = 0

    @property
    def resource(self) -> Attributes:
        """What all spans have in common."""
        facts = self._state.facts
        own = {
            "service.name": "byok8s",
            "service.version": facts.get("byok8s"),
            "cicd.pipeline.name": self._pipeline(),
            "cicd.pipeline.run.id": self._run,
            "cicd.pipeline.run.url.full": self._url(""),
            "vcs.ref.head.revision": facts.get("commit"),
            "k8s.namespace.name": facts.get("namespace"),
        }
        return _known(own)

    def of(self, event: Event) -> Iterator[Span]:
        """Take in one more event. Yields what has ended with it."""
        fold(self._state, event)
        self._marks.note(event)
        # two runs of one id have not begun in the same millisecond
        self._trace = self._trace or _number(16, self._run, self._state.first)
        match event.get("event"):
            case "job.ended" if found := self._state.tries.pop(str(event.get("id")), None):
                yield from self._job(found)
                self._forget(found.pod)
            case "worker.gone":
                self._forget(str(event.get("pod")))
            case "run.ended":
                yield from self._all()

    def rest(self) -> Iterator[Span]:
        """Yield what has no end in the record, as if it had ended with that: its controller was killed."""
        if not self._state.over:
            yield from self._all()

    def _all(self) -> Iterator[Span]:
        for each in self._state.tries.values():
            yield from self._job(each)
        self._state.tries.clear()
        yield self._whole()

    def _whole(self) -> Span:
        state = self._state
        result = _RESULTS.get(state.state, _ERROR)
        name = self._pipeline()
        own = {
            "cicd.pipeline.action.name": "RUN",
            "cicd.pipeline.name": name,
            "cicd.pipeline.run.id": self._run,
            "cicd.pipeline.run.url.full": self._url(""),
            "cicd.pipeline.result": result,
            "error.type": (state.state if state.over else status.LOST) if result in _FAILED else None,
            "process.exit.code": state.exit,
            "byok8s.context": state.facts.get("context"),
            "byok8s.bucket": state.facts.get("bucket"),
            "byok8s.kubernetes": state.facts.get("kubernetes"),
            "byok8s.image": state.facts.get("image"),
            "snakemake.version": state.facts.get("snakemake"),
        }
        times = ((state.first or 0) * NANOSECONDS, (state.last or 0) * NANOSECONDS)
        return self._span(("run",), None, f"RUN {name}", times, own, "" if result in _FAILED else None)

    def _job(self, each: Try) -> Iterator[Span]:
        given = each.began if each.given is None else each.given
        if given is None:  # a record that was cut off has the rest of it alone
            return
        end = (self._state.last or 0) if each.ended is None else each.ended
        result = _RESULTS.get(each.state, _ERROR)
        own = self._attributes(each, result)
        error = each.why if result in _FAILED else None
        times = (given * NANOSECONDS, end * NANOSECONDS)
        yield self._span((each.id,), ("run",), each.rule or each.id, times, own, error)
        for phase, *of_phase in self._phases(each, given, end):
            yield self._span((each.id, phase), (each.id,), phase, (of_phase[0], of_phase[1]), {})

    def _attributes(self, each: Try, result: str) -> Mapping[str, object]:
        return {
            "cicd.pipeline.task.name": each.rule,
            "cicd.pipeline.task.run.id": each.id,
            "cicd.pipeline.task.run.url.full": self._log(each, result),
            "cicd.pipeline.task.run.result": result,
            "cicd.worker.name": each.pod,
            "error.type": (each.cause or each.state) if result in _FAILED else None,
            "process.exit.code": each.exit,
            "k8s.pod.name": each.pod,
            "k8s.node.name": each.node,
            "snakemake.rules": list(each.rules) if each.rules != (each.rule,) else None,
            **{f"snakemake.wildcards.{name}": value for name, value in each.wildcards.items()},
            "byok8s.job.name": each.name,
            "byok8s.job.attempt": each.attempt,
            "byok8s.job.threads": each.threads,
            "byok8s.job.mem_mb": each.mem_mb,
            "byok8s.job.max_rss": each.max_rss,
            "byok8s.job.cpu_time": each.cpu_time,
            "byok8s.job.io_in": each.io_in,
            "byok8s.job.io_out": each.io_out,
            "byok8s.job.fetched_bytes": each.fetched,
            "byok8s.job.cached_bytes": each.cached,
            "byok8s.job.stored_bytes": each.stored,
        }

    def _phases(self, each: Try, given: int, end: int) -> Iterator[tuple[str, int, int]]:
        """Yield the phases of a try, in nanoseconds. Those in its pod are durations: one is laid after the other."""
        began = end if each.began is None else min(max(given, each.began), end)
        own = worker(self._state, self._marks, each.pod, [each], end) if each.pod else None
        for phase, first, last in time.waits(given, began, own):
            yield phase, first * NANOSECONDS, last * NANOSECONDS
        spent = time.spent(each, own, end)
        reached = began * NANOSECONDS
        for phase in _IN_POD:
            if took := round(getattr(spent, phase) * NANOSECONDS):
                yield phase, reached, reached + took
                reached += took

    def _forget(self, pod: str) -> None:
        """Forget a pod that is gone once none of the jobs under way was in it."""
        known = self._state.workers.get(pod)
        if known and known.phase == "gone" and all(each.pod != pod for each in self._state.tries.values()):
            del self._state.workers[pod]
            self._marks.of.pop(pod, None)
            self._marks.why.pop(pod, None)

    def _pipeline(self) -> str:
        facts = self._state.facts
        if file := facts.get("workflow_file"):
            return PurePath(str(file)).stem
        if source := facts.get("source"):
            return str(source)
        folders = PurePath(str(facts.get("snakefile", ""))).parts[1:-1]
        return next((name for name in reversed(folders) if name != "workflow"), "workflow")

    def _log(self, each: Try, result: str) -> str | None:
        """Return where the log of a failed job is: those of others may be in an archive."""
        return self._url(f"/logs/{each.name}.log") if each.name and result in _FAILED else None

    def _url(self, below: str) -> str | None:
        """Return where the bucket has the run's record, or a part of it; None without a bucket."""
        bucket = self._state.facts.get("bucket")
        return f"{bucket}/.byok8s/runs/{self._run}{below}" if bucket else None

    def _span(
        self,
        own: tuple[str, ...],
        parent: tuple[str, ...] | None,
        name: str,
        times: tuple[int, int],
        attributes: Mapping[str, object],
        error: str | None = None,
    ) -> Span:
        return Span(
            self._trace,
            _number(8, self._trace, *own),
            _number(8, self._trace, *parent) if parent else None,
            _text(name),
            *times,
            _known(attributes),
            None if error is None else _text(error),
        )


def spans(run: str, events: Iterable[Event]) -> Iterator[Span]:
    """Yield the spans of a whole record."""
    found = Spans(run)
    for event in events:
        yield from found.of(event)
    yield from found.rest()


def _number(length: int, *of: object) -> int:
    """Return the number of a span or trace, which is not 0. length: in bytes."""
    digest = hashlib.sha256("\0".join(map(str, of)).encode(errors="replace")).digest()
    return int.from_bytes(digest[:length]) or 1


def _known(attributes: Mapping[str, object]) -> dict[str, Value]:
    return {
        _text(name): _value(value) for name, value in attributes.items() if value is not None and value != ""
    }


def _value(value: object) -> Value:
    if isinstance(value, bool | int | float):
        return value
    return [_text(each) for each in value] if isinstance(value, list) else _text(value)


def _text(value: object) -> str:
    """Return a text that UTF-8 can have, which a file's name need not be."""
    return str(value).encode(errors="replace").decode()
