"""Where tasks run. Two ways that are one to the executor: a pod for each, or workers that take one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from byok8s.executor.manifest import Shape, Task
from byok8s.executor.outcome import Outcome
from byok8s.kube.json import Object

OnEnd: TypeAlias = "Callable[[Task, str, Outcome], None]"
"""on_end(task, pod, outcome): told once for each task, from any thread; the task's log is complete by then."""


OnWait: TypeAlias = "Callable[[str, Outcome], None]"
"""on_wait(pod, outcome): why a pod is not made yet."""


class Placement(Protocol):
    def prepare(self, shapes: Sequence[Shape]) -> None:
        """Tasks of these shapes, as many of each, will soon be submitted."""

    def adopt(self, pods: Sequence[Object]) -> None:
        """Pods that an earlier controller of this run has left. Returns when it is known what can be gone on with."""

    def submit(self, task: Task) -> None:
        """Returns at once or soon; what becomes of the task is told to `on_end`."""

    def pod_changed(self, name: str, found: Outcome) -> None:
        """A pod of the run was created or modified. Must be quick: the watch waits."""

    def pod_deleted(self, name: str, found: Outcome) -> None:
        """A pod of the run is gone. found: for its task, where it had one."""

    def tick(self) -> None:
        """Some seconds have passed."""

    def close(self) -> None:
        """No task will come any more. What has been reported by now is all that is. Waits for nothing."""
