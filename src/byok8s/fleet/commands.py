"""What the controller's core wants done. None of it is waited for: its outcome, if it has one, comes as an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from byok8s.pods.manifest import PodPlan, Task
from byok8s.pods.outcome import Outcome

# -- requests to the cluster --


@dataclass(frozen=True)
class CreatePod:
    """Its outcome is PodMade or PodRefused."""

    plan: PodPlan


@dataclass(frozen=True)
class DeletePod:
    """Its outcome is seen by the watch."""

    pod: str


@dataclass(frozen=True)
class AskOwner:
    """Find out if the run's owner is still there. Its outcome is OwnerSeen."""


@dataclass(frozen=True)
class KeepLog:
    """Fetch the log of a task's own pod. Its outcome is LogKept."""

    pod: str
    task: Task


@dataclass(frozen=True)
class KeepEvents:
    """Fetch what Kubernetes noted of the pod of a failed task."""

    pod: str
    task: Task


# -- the stream to a worker --


@dataclass(frozen=True)
class Connect:
    """Keep a stream to a worker open. It says Hello each time that it is opened."""

    pod: str


@dataclass(frozen=True)
class Disconnect:
    pod: str


@dataclass(frozen=True)
class Run:
    """Have a worker run a task."""

    pod: str
    task: Task


@dataclass(frozen=True)
class Resume:
    """Have a worker tell the rest of a task's output, and its end."""

    pod: str
    task: Task


@dataclass(frozen=True)
class AwaitEnd:
    """Have a worker tell the end, and no output, of an earlier controller's task that nobody has claimed yet."""

    pod: str
    task_id: str


@dataclass(frozen=True)
class Forget:
    """A worker need not keep what became of a task."""

    pod: str
    task_id: str


# -- the record, the user and Snakemake --


@dataclass(frozen=True)
class NoteGiven:
    """An attempt at a job is to be carried out."""

    task: Task


@dataclass(frozen=True)
class NoteBegan:
    """A task has begun in a pod."""

    task: Task
    pod: str


@dataclass(frozen=True)
class NoteEnded:
    """A task has ended, and another attempt will follow."""

    task: Task
    pod: str
    found: Outcome


@dataclass(frozen=True)
class NotePod:
    """Something else is known of a pod than before; also that it has ended, or that the cluster does not take it."""

    pod: str
    found: Outcome


@dataclass(frozen=True)
class NoteIdle:
    """A worker has nothing to do any more."""

    pod: str


@dataclass(frozen=True)
class Report:
    """A task has ended for good: tell Snakemake."""

    task: Task
    pod: str
    found: Outcome


@dataclass(frozen=True)
class Warn:
    words: str


@dataclass(frozen=True)
class SayWhyItWaits:
    """Tell the user why a pod waits."""

    pod: str
    found: Outcome


@dataclass(frozen=True)
class EndRun:
    """End the run: its owner is gone."""


Request: TypeAlias = CreatePod | DeletePod | AskOwner | KeepLog | KeepEvents | SayWhyItWaits
ToStream: TypeAlias = Connect | Disconnect | Run | Resume | AwaitEnd | Forget
Note: TypeAlias = NoteGiven | NoteBegan | NoteEnded | NotePod | NoteIdle | Report | Warn | EndRun
Command: TypeAlias = Request | ToStream | Note


@dataclass(frozen=True)
class TaskEnded:
    """What a placement says of a task, and no command: whether it is tried again has not been decided.

    had_mb: the memory that its pod had, which may be more than the task had asked for.
    """

    task: Task
    pod: str
    found: Outcome
    had_mb: int | None = None


Step: TypeAlias = Command | TaskEnded
