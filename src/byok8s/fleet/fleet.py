"""The controller's core: an event in, commands out. It has no thread, no lock, no I/O and no clock of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from byok8s.fleet.commands import (
    AskOwner,
    Command,
    EndRun,
    KeepEvents,
    NoteEnded,
    NoteGiven,
    NotePod,
    Report,
    SayWhyItWaits,
    Step,
    TaskEnded,
    Warn,
)
from byok8s.fleet.events import Closed, Event, OwnerSeen, PodGone, PodRefused, PodSeen, Submitted, Tick
from byok8s.fleet.pending import PendingPods
from byok8s.fleet.retries import RetryPolicy
from byok8s.fleet.room import DEFAULT_REUSE_FACTOR
from byok8s.fleet.single import SinglePods
from byok8s.fleet.workers import Workers
from byok8s.pods.cause import FailureKind
from byok8s.pods.manifest import Task
from byok8s.pods.names import Names
from byok8s.pods.outcome import Outcome, State


@dataclass(frozen=True)
class Options:
    """What a run's user has chosen.

    limit: jobs at once. reuse: workers instead of a pod for each task. pending_timeout: seconds that a pod may be
    without a node; None for no end. reuse_factor: a task may use a worker that has up to so many times what it asks.
    """

    policy: RetryPolicy
    limit: int
    reuse: bool
    pending_timeout: float | None
    reuse_factor: float = DEFAULT_REUSE_FACTOR


class Placement(Protocol):
    """Where tasks run. There are two ways: a pod for each, or workers that take one after another."""

    def handle(self, event: Event, now: float) -> None:
        """Change what is known, and say what is to be done."""

    def has(self, pod: str) -> bool:
        """Return whether it matters what becomes of this pod."""


PodNews: TypeAlias = PodSeen | PodGone

WORTH_A_WORD_SECONDS = 10.0  # for which a pod waits, once others of the run have run


class Fleet:
    """All that is known of a run's tasks and pods."""

    def __init__(self, names: Names, options: Options) -> None:
        self._out: list[Step] = []
        self._policy = options.policy
        self._pending = PendingPods(options.pending_timeout)
        self._placement: Placement = (
            Workers(names, options.limit, options.reuse_factor, self._out)
            if options.reuse
            else SinglePods(names, self._out)
        )
        self._later: list[tuple[float, Task]] = []  # attempts, and when each is due
        self._asked: list[PodNews] = []  # ends that the whole run may have come to: it is being found out
        self._doubted: list[PodNews] = []  # those that came after the question
        self._told = ""  # why a pod waits, as last said to the user
        self._any_ran = False
        self._over = False
        self._closed = False

    @property
    def due(self) -> float:
        """When the next attempt at a task is due."""
        return min((due for due, _ in self._later), default=math.inf)

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take note of an event. Returns what is to be done."""
        if not self._closed:
            self._handle(event, now)
            self._submit_due(now)
        steps, self._out[:] = self._out[:], []
        return [command for step in steps for command in self._commands(step, now)]

    def _handle(self, event: Event, now: float) -> None:
        match event:
            case PodSeen() | PodGone():
                self._on_news(event, now)
            case OwnerSeen(over):
                self._on_answer(now, over=over)
            case Submitted(task):
                self._out.append(NoteGiven(task))
                self._placement.handle(event, now)
            case PodRefused(pod, found):
                self._out.append(NotePod(pod, found))
                self._placement.handle(event, now)
            case Tick():
                for pod, found in self._pending.overdue(now):
                    self._placement.handle(PodSeen(pod, found), now)
                self._placement.handle(event, now)
                self._say_what_keeps_waiting(now)
            case Closed():
                self._closed = True
                self._later.clear()
                self._placement.handle(event, now)
            case _:
                self._placement.handle(event, now)

    # -- pods --

    def _on_news(self, event: PodNews, now: float) -> None:
        news, expected = self._judged(event, now)
        if not self._placement.has(event.pod):
            return
        if news.found.waits and news.found.why and not self._any_ran:
            self._out.append(SayWhyItWaits(news.pod, news.found))
        if expected and not any(earlier.pod == event.pod for earlier in self._doubts()):
            self._placement.handle(news, now)
        elif not self._over:
            self._doubt(news)

    def _judged(self, event: PodNews, now: float) -> tuple[PodNews, bool]:
        """Return the news with what was known before, and whether it is one that somebody must have asked for."""
        match event:
            case PodSeen(pod, found, leaving):
                before = self._pending.last(pod)
                found = self._pending.see(pod, found, now)
                self._note(pod, before)
                if found.state is State.RUNNING:
                    self._any_ran, self._told = True, ""
                return PodSeen(pod, found), not leaving
            case PodGone(pod, found):
                expected = self._pending.has_ended(pod)
                found = self._pending.gone(pod, found)
                if not expected:
                    self._out.append(NotePod(pod, found))
                return PodGone(pod, found), expected

    def _note(self, pod: str, before: Outcome | None) -> None:
        """Have noted what is known of a pod, if it is something else than before."""
        now = self._pending.last(pod)
        if now and (
            before is None or (before.state, before.node, before.cause) != (now.state, now.node, now.cause)
        ):
            self._out.append(NotePod(pod, now))

    def _doubts(self) -> Iterator[PodNews]:
        yield from self._asked
        yield from self._doubted

    def _doubt(self, news: PodNews) -> None:
        """A pod that goes before its task has ended may go with the whole run: then no other is made in its place."""
        self._doubted.append(news)
        self._ask()

    def _ask(self) -> None:
        if self._doubted and not self._asked:
            self._asked, self._doubted = self._doubted, []
            self._out.append(AskOwner())

    def _on_answer(self, now: float, *, over: bool) -> None:
        asked, self._asked = self._asked, []
        if over and not self._over:
            self._over = True
            self._out.append(EndRun())
        if self._over:
            self._doubted.clear()
            return
        for news in asked:
            self._placement.handle(news, now)
        self._ask()

    # -- tasks --

    def _commands(self, step: Step, now: float) -> list[Command]:
        match step:
            case TaskEnded():
                return self._on_end(step, now)
            case SayWhyItWaits(_, found):
                return [step] if self._is_worth_a_word(found) else []
        return [step]

    def _say_what_keeps_waiting(self, now: float) -> None:
        """Say why a pod has waited for a while; for the room of a worker that goes it waits for a moment only."""
        for pod, found in self._pending.held_up(now, WORTH_A_WORD_SECONDS):
            if self._placement.has(pod):
                self._out.append(SayWhyItWaits(pod, found))
                return

    def _is_worth_a_word(self, found: Outcome) -> bool:
        """A pod that waits is worth a word while none runs; besides others it is the cluster being full."""
        if found.why == self._told or self._closed or self._pending.any_runs:
            return False
        self._told = found.why
        return True

    def _on_end(self, ended: TaskEnded, now: float) -> list[Command]:
        task, pod, found = ended.task, ended.pod, ended.found
        last = Report(task, pod, found)
        if found.state is State.SUCCEEDED or self._closed:
            return [last]
        infrastructure = not (found.cause and found.cause.kind is FailureKind.JOB)
        evidence: list[Command] = [KeepEvents(pod, task)] if infrastructure else []
        if (retry := self._policy.again(task, found, ended.had_mb)) is None:
            return [*evidence, last]
        self._later.append((now + retry.pause, retry.task))
        words = f"{task.title}: {found.why}. {retry.why}."
        return [*evidence, NoteEnded(task, pod, found), Warn(words), NoteGiven(retry.task)]

    def _submit_due(self, now: float) -> None:
        due = [task for at, task in self._later if at <= now]
        self._later = [(at, task) for at, task in self._later if at > now]
        for task in due:
            self._placement.handle(Submitted(task), now)
