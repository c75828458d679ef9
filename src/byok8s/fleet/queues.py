"""Tasks that wait for a worker."""

from __future__ import annotations

from collections import deque

from byok8s.fleet.room import largest, takes
from byok8s.pods.manifest import Shape, Task


class Queues:
    """One queue for each shape, oldest task first."""

    def __init__(self) -> None:
        self._tasks: dict[Shape, deque[Task]] = {}  # without empty ones

    def add(self, task: Task) -> None:
        self._tasks.setdefault(task.shape, deque()).append(task)

    def length(self, shape: Shape) -> int:
        return len(self._tasks.get(shape, ()))

    def shapes(self) -> list[Shape]:
        return list(self._tasks)

    def remove(self, shape: Shape) -> list[Task]:
        """Remove and return all tasks of a shape."""
        return list(self._tasks.pop(shape, ()))

    def take_for(self, pod: Shape, factor: float) -> Task | None:
        """Remove and return the task that wastes least of a worker's pod: one of its own shape, if there is one."""
        found = (
            pod if pod in self._tasks else largest(task for task in self._tasks if takes(pod, task, factor))
        )
        if found is None:
            return None
        queue = self._tasks[found]
        task = queue.popleft()
        if not queue:
            del self._tasks[found]
        return task
