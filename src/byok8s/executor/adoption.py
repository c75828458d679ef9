"""What a controller that was killed has left at work: found, asked, and handed on to the jobs that are given anew."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from byok8s.executor import container
from byok8s.executor.manifest import Shape, Task, job_of, shape_of
from byok8s.executor.names import WORKER_LABEL
from byok8s.executor.worker import Worker
from byok8s.kube.json import Object, get_in, text

ANSWER_SECONDS = 30.0
TERMINATED = 128 + signal.SIGTERM  # the exit code of a worker whose pod was told to end


class Adoption:
    """Not thread-safe but for `wait`: its owner has a lock."""

    def __init__(self) -> None:
        self.next_number = 0
        self._asked: set[str] = set()  # pods whose workers have not answered yet
        self._answered = threading.Event()
        self._jobs: dict[str, tuple[str, Worker | None]] = {}  # by job: the try's id, and who has it

    def find(self, pods: Sequence[Object]) -> Iterator[tuple[str, Shape]]:
        """The pods of workers that can be talked to. Of those that have ended, what they have left is kept."""
        for pod in pods:
            number = text(pod, "metadata", "labels", WORKER_LABEL)
            if not number.isdigit():
                continue
            self.next_number = max(self.next_number, int(number) + 1)
            shape, name = shape_of(pod), text(pod, "metadata", "name")
            if text(pod, "status", "phase") == "Running" and shape:
                self._asked.add(name)
                yield name, shape
            for task in _succeeded(pod):
                self._jobs[job_of(task)] = task, None

    def wait(self) -> list[str]:
        """Until all have answered. Returns the pods of which nothing is heard."""
        if self._asked:
            self._answered.wait(ANSWER_SECONDS)
        return list(self._asked)

    def heard(self, worker: Worker, tasks: Iterable[str]) -> bool:
        """A worker knows these tasks, which it does not have from this controller. Returns whether it is adopted."""
        if adopted := worker.pod in self._asked:
            self._jobs |= {job_of(task): (task, worker) for task in tasks}
        self._done_with(worker)
        return adopted

    def knows(self, task: str) -> bool:
        """Whether somebody may still claim this try."""
        return self._jobs.get(job_of(task), ("", None))[0] == task

    def lost(self, worker: Worker) -> None:
        self._jobs = {job: found for job, found in self._jobs.items() if found[1] is not worker}
        self._done_with(worker)

    def claim(self, task: Task) -> tuple[Task, Worker | None] | None:
        """The try that is under way or done already for this task's job; None of the worker where it is long done."""
        if not (found := self._jobs.pop(task.job, None)):
            return None
        task_id, worker = found
        return replace(task, adopted=task_id), worker

    def _done_with(self, worker: Worker) -> None:
        self._asked.discard(worker.pod)
        if not self._asked:
            self._answered.set()


def _succeeded(pod: Object) -> list[str]:
    # a job may write a worker's last word, too; but a worker that was killed has not written over it
    if get_in(container.ended(pod), "exitCode") not in {0, TERMINATED}:
        return []
    message = text(container.ended(pod), "message")
    try:
        tasks = get_in(json.loads(message), "succeeded")
    except ValueError:
        return []
    return [task for task in tasks if isinstance(task, str)] if isinstance(tasks, list) else []
