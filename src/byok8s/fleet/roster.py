"""The workers that there are, and which of them are idle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from byok8s.fleet.room import smallest, takes
from byok8s.fleet.worker import Stage, Worker
from byok8s.pods.manifest import Shape, Task


class Roster:
    """Finds workers by what they are, without looking at all of them for each task."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}  # by pod
        self._idle: dict[Shape, dict[str, Worker]] = {}
        self._coming: Counter[Shape] = Counter()  # those that have not said hello

    def __len__(self) -> int:
        return len(self._workers)

    def __contains__(self, pod: str) -> bool:
        return pod in self._workers

    def __getitem__(self, pod: str) -> Worker:
        return self._workers[pod]

    def all(self) -> list[Worker]:
        return list(self._workers.values())

    def get(self, pod: str) -> Worker | None:
        return self._workers.get(pod)

    def add(self, worker: Worker) -> None:
        self._workers[worker.pod] = worker
        self._coming[worker.shape] += 1

    def arrive(self, worker: Worker) -> None:
        """Note that a worker has said hello."""
        self._coming[worker.shape] -= not worker.there
        worker.there = True

    def remove(self, worker: Worker) -> None:
        self.occupy(worker)
        self.arrive(worker)
        del self._workers[worker.pod]

    def rest(self, worker: Worker, now: float) -> None:
        """Note that a worker has nothing to do any more."""
        worker.idle_since = now
        self._idle.setdefault(worker.shape, {})[worker.pod] = worker

    def occupy(self, worker: Worker) -> None:
        """Note that a worker has something to do, or can do nothing any more."""
        worker.idle_since = None
        idle = self._idle.get(worker.shape, {})
        idle.pop(worker.pod, None)
        if not idle:
            self._idle.pop(worker.shape, None)

    def idle_for(self, task: Task, factor: float) -> Worker | None:
        """Return the idle worker that wastes least on a task, and of those the one that has most of its inputs."""
        shape = task.shape
        found = (
            shape if shape in self._idle else smallest(pod for pod in self._idle if takes(pod, shape, factor))
        )
        if not found:
            return None
        idle = self._idle[found].values()
        return max(idle, key=lambda worker: worker.has_of(task)) if task.shared else next(iter(idle))

    def coming(self, shape: Shape) -> int:
        """Return how many workers of this shape are on their way."""
        return self._coming[shape]

    def any_of(self, shape: Shape) -> bool:
        return any(worker.shape == shape for worker in self._workers.values())

    def unplaced(self) -> set[Shape]:
        return {worker.shape for worker in self._workers.values() if worker.stage is Stage.UNPLACED}

    def free(self, until: float | None) -> Iterator[Worker]:
        """Yield the workers that have nothing to do. until: and have had nothing to do since then."""
        for worker in self._workers.values():
            since = worker.since if worker.stage is not Stage.RUNNING else worker.idle_since
            if since is not None and not worker.claimed and (until is None or since < until):
                yield worker
