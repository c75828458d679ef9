"""What can happen to a run: everything that the controller's core is ever told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from byok8s.pods.manifest import Shape, Task
from byok8s.pods.outcome import GONE, Outcome
from byok8s.worker.protocol import Result

# -- from Snakemake --


@dataclass(frozen=True)
class Submitted:
    """Snakemake has given a task."""

    task: Task


@dataclass(frozen=True)
class Expected:
    """Tasks of these shapes will soon be submitted; a shape that occurs twice means two tasks."""

    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Closed:
    """No task comes any more, and nobody waits for those that there are."""


# -- from the watch --


@dataclass(frozen=True)
class PodSeen:
    """A pod was created or modified. leaving: it has been told to end, by whomever."""

    pod: str
    found: Outcome
    leaving: bool = False


@dataclass(frozen=True)
class PodGone:
    """A pod was deleted. found: what that means for its task."""

    pod: str
    found: Outcome = GONE


# -- what became of commands --


@dataclass(frozen=True)
class PodMade:
    """The cluster has taken a pod."""

    pod: str


@dataclass(frozen=True)
class PodRefused:
    """The cluster has not taken a pod. found: why."""

    pod: str
    found: Outcome


@dataclass(frozen=True)
class OwnerSeen:
    """The object that owns all of the run was looked for. over: it is gone, or going."""

    over: bool


@dataclass(frozen=True)
class LogKept:
    """The log of a task's own pod is in the record. trouble: why it is not; empty if it is."""

    pod: str
    trouble: str = ""


@dataclass(frozen=True)
class LeftPod:
    """A pod that an earlier controller of the run has left.

    number: of a worker; None for the pod of one task. shape: None if it is not known. task_id: of the one task.
    succeeded: tasks that ended well in a worker that has ended, and whose end nobody has fetched.
    """

    pod: str
    found: Outcome
    number: int | None = None
    shape: Shape | None = None
    task_id: str = ""
    succeeded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """All pods that an earlier controller of the run has left: told before anything else."""

    pods: tuple[LeftPod, ...]


# -- from the stream to a worker --


@dataclass(frozen=True)
class Hello:
    """A stream to a worker is open. jobs: the tasks that the worker knows, and whether they still run."""

    pod: str
    jobs: Mapping[str, bool]


@dataclass(frozen=True)
class TaskDone:
    """A worker has told how a task has ended. All of its output is in the record."""

    pod: str
    task_id: str
    result: Result


@dataclass(frozen=True)
class Unusable:
    """A worker cannot be talked to, and trying again would not help."""

    pod: str
    why: str


# -- from the clock --


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = (
    Submitted | Expected | Closed | PodSeen | PodGone | PodMade | PodRefused | OwnerSeen | LogKept | Left | Hello
    | TaskDone | Unusable | Tick
)  # fmt: skip
