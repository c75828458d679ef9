"""What is known of one worker: its pod, and the tasks that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from byok8s.fleet.commands import AwaitEnd, Command, Resume, Run
from byok8s.pods.manifest import Shape, Task


class Stage(Enum):
    """How far a worker's pod has come. What has ended is no worker any more."""

    PENDING = "pending"  # asked for, or on a node and not running yet
    UNPLACED = "unplaced"  # no node takes it
    RUNNING = "running"


@dataclass
class Worker:
    """It has one task of this controller at most, and may keep any number of an earlier one's: done long ago or, one
    of them, still under way.

    since: when it was made. there: whether it has said hello. earlier: the id of an earlier controller's task that is
    under way, whether anybody has claimed it or not. claimed: tasks of an earlier controller that were given again, by
    id. idle_since: None while it is busy, or not there yet. fetched: the inputs that its tasks shared with others.
    """

    pod: str
    shape: Shape
    since: float
    stage: Stage = Stage.PENDING
    there: bool = False
    node: str = ""
    task: Task | None = None
    earlier: str = ""
    claimed: dict[str, Task] = field(default_factory=dict)
    idle_since: float | None = None
    fetched: set[str] = field(default_factory=set)

    @property
    def busy(self) -> bool:
        return self.task is not None or self.earlier != ""

    @property
    def tasks(self) -> list[Task]:
        """What is lost with it."""
        return [*([self.task] if self.task else []), *self.claimed.values()]

    def begin(self, task: Task) -> None:
        self.task = task
        self.fetched.update(address for address, _ in task.shared)

    def has_of(self, task: Task) -> int:
        """Return how many bytes of a task's inputs it has fetched for another."""
        return sum(size for address, size in task.shared if address in self.fetched)

    def wanted(self, task_id: str) -> Task | None:
        """Return the task of this id if its end is wanted from this worker."""
        return self.task if self.task and self.task.id == task_id else self.claimed.get(task_id)

    def finish(self, task_id: str) -> None:
        if self.task and self.task.id == task_id:
            self.task = None
        if self.earlier == task_id:
            self.earlier = ""
        self.claimed.pop(task_id, None)

    def unknown_to(self, jobs: Mapping[str, bool]) -> list[Task]:
        """Remove and return the claimed tasks of which the worker, by its own word, knows nothing."""
        if self.earlier not in jobs:
            self.earlier = ""
        return [self.claimed.pop(task_id) for task_id in [*self.claimed] if task_id not in jobs]

    def catch_up(self, jobs: Mapping[str, bool]) -> Iterator[Command]:
        """Yield what a worker is told on a new stream. jobs: those that it knows, and whether they still run."""
        if self.task and self.task.id not in jobs:
            yield Run(self.pod, self.task)
        for task_id in jobs:
            if task := self.wanted(task_id):
                yield Resume(self.pod, task)
        if self.earlier and not self.wanted(self.earlier):
            yield AwaitEnd(self.pod, self.earlier)
