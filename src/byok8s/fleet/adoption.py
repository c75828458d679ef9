"""What a controller that was killed has left at work: found, asked, and handed on to jobs that are given again."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from byok8s.fleet.events import LeftPod
from byok8s.kube.objects import Object, get_in, text
from byok8s.pods import container
from byok8s.pods.manifest import Shape, Task, job_of, shape_of
from byok8s.pods.names import JOB_LABEL, WORKER_LABEL
from byok8s.pods.outcome import State, outcome

ANSWER_SECONDS = 30.0
TERMINATED = 128 + signal.SIGTERM  # the exit code of a worker whose pod was told to end


def left(pod: Object) -> LeftPod:
    """Read a pod that an earlier controller has left."""
    number = text(pod, "metadata", "labels", WORKER_LABEL)
    return LeftPod(
        pod=text(pod, "metadata", "name"),
        found=outcome(pod),
        number=int(number) if number.isdigit() else None,
        shape=shape_of(pod),
        task_id=text(pod, "metadata", "labels", JOB_LABEL),
        succeeded=tuple(_succeeded(pod)),
    )


@dataclass
class Adoption:
    """next_number: of the first worker that this controller makes."""

    next_number: int = 0
    _asked: set[str] = field(default_factory=set)  # pods whose workers have not answered yet
    _until: float = 0.0
    _jobs: dict[str, tuple[str, str]] = field(
        default_factory=dict
    )  # by job: the try's id, and its pod if it is there

    @property
    def waiting(self) -> bool:
        """Whether a worker has not told yet which tasks it has: until then none may be given to another."""
        return bool(self._asked)

    def find(self, pods: Sequence[LeftPod], now: float) -> Iterator[tuple[str, Shape]]:
        """Yield the pods of workers that can be talked to. Keep what those that have ended have left."""
        self._until = now + ANSWER_SECONDS
        for pod in pods:
            if pod.number is None:
                continue
            self.next_number = max(self.next_number, pod.number + 1)
            if pod.found.state is State.RUNNING and pod.shape:
                self._asked.add(pod.pod)
                yield pod.pod, pod.shape
            for task in pod.succeeded:
                self._jobs[job_of(task)] = task, ""

    def silent(self, now: float) -> list[str]:
        """Return the pods that were asked and have not answered in time."""
        return sorted(self._asked) if now >= self._until else []

    def heard(self, pod: str, tasks: Iterable[str]) -> None:
        """Note the tasks that a worker knows and that it does not have from this controller."""
        if pod in self._asked:
            self._jobs |= {job_of(task): (task, pod) for task in tasks}
        self._asked.discard(pod)

    def knows(self, task_id: str) -> bool:
        """Return whether somebody may still claim this try."""
        return self._jobs.get(job_of(task_id), ("", ""))[0] == task_id

    def lost(self, pod: str) -> None:
        self._jobs = {job: found for job, found in self._jobs.items() if found[1] != pod}
        self._asked.discard(pod)

    def claim(self, task: Task) -> tuple[Task, str] | None:
        """Return the try that is under way or done already for this task's job, and its pod; no pod if that is gone."""
        if not (found := self._jobs.pop(task.job, None)):
            return None
        task_id, pod = found
        return replace(task, adopted=task_id), pod


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
