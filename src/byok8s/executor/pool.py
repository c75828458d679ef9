"""Workers: as many as the ready tasks want. Those that no node takes yet wait; they are what an autoscaler looks at."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from byok8s.errors import Byok8sError
from byok8s.executor.adoption import Adoption
from byok8s.executor.cause import Cause
from byok8s.executor.cluster import ClusterRun
from byok8s.executor.manifest import PodPlan, Shape, Task, worker_plan
from byok8s.executor.outcome import Outcome, State, of_result, refused
from byok8s.executor.placement import OnEnd, OnWait
from byok8s.executor.record import Record
from byok8s.executor.waiting import GRACE_SECONDS
from byok8s.executor.worker import Worker
from byok8s.kube.json import Object, text
from byok8s.worker.protocol import Result

IDLE_SECONDS = 60.0
ENDED = Outcome(State.FAILED, "its pod ended while the job was under way", cause=Cause.WORKER_LOST)
REQUESTS = 4  # at once, to create and delete pods: the watch must not wait for them


class Pool:
    """A Placement. Tasks of one shape share workers, one at a time in each.

    limit: workers at once, of all shapes.
    """

    def __init__(
        self, cluster: ClusterRun, record: Record, on_wait: OnWait, on_end: OnEnd, limit: int
    ) -> None:
        self._cluster, self._record, self._limit = cluster, record, limit
        self._on_wait, self._on_end = on_wait, on_end
        self._lock = threading.RLock()
        self._workers: dict[str, Worker] = {}  # by pod name
        self._idle: dict[str, float] = {}  # by pod name: since when
        self._unplaced: set[str] = set()  # pods that no node takes
        self._queues: dict[Shape, deque[Task]] = {}
        self._no_quota: dict[Shape, float] = {}  # since when the namespace has had no room for them
        self._adopted = Adoption()
        self._made = 0
        self._closed = threading.Event()
        self._requests = ThreadPoolExecutor(REQUESTS, thread_name_prefix="pods")

    def prepare(self, shapes: Sequence[Shape]) -> None:
        with self._lock:
            for shape in shapes[: max(0, self._limit - len(self._workers))]:
                self._start_worker(shape)

    def adopt(self, pods: Sequence[Object]) -> None:
        with self._lock:
            for name, shape in self._adopted.find(pods):
                worker = self._workers[name] = self._worker(name, shape)
                worker.pod_runs()
            self._made = self._adopted.next_number
        for lost in self._adopted.wait():  # their jobs would be run twice if they answered later
            if silent := self._workers.get(lost):
                self._on_unusable(silent, ConnectionError("it does not answer"))
        for pod in pods:
            if (name := text(pod, "metadata", "name")) not in self._workers:
                self._requests.submit(self._delete_pod, name)

    def submit(self, task: Task) -> None:
        with self._lock:
            found = self._adopted.claim(task)
            if found is None:
                self._queues.setdefault(task.shape, deque()).append(task)
                self._assign(task.shape)
                self._start_workers(task.shape)
                return
            claimed, worker = found
            if worker:
                self._record.began(task)
                worker.claim(claimed)
                return
        self._on_end(claimed, "", Outcome(State.SUCCEEDED))

    def pod_changed(self, name: str, found: Outcome) -> None:
        worker = self._workers.get(name)
        if worker is None:
            return
        if found.ended:
            # a worker that ends well has still not ended the task that it had
            self._lose(worker, ENDED if found.state is State.SUCCEEDED else found)
            if found.stuck or found.lingers or found.cause is Cause.UNSCHEDULABLE:
                self._requests.submit(self._delete_pod, name)
        elif found.state is State.RUNNING:
            worker.node = found.node
            self._unplaced.discard(name)
            worker.pod_runs()
        elif found.unplaced:
            self._unplaced.add(name)
            self._make_room()

    def pod_deleted(self, name: str, found: Outcome) -> None:
        if worker := self._workers.get(name):
            self._lose(worker, found)

    def close(self) -> None:
        self._closed.set()
        self._cluster.stop_waiting()
        self._requests.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            workers = list(self._workers.values())
            self._workers.clear()
        for worker in workers:
            worker.end()

    # -- who takes what --

    def _assign(self, shape: Shape) -> None:
        queue = self._queues.get(shape)
        for name in [name for name in self._idle if self._workers[name].shape == shape]:
            if not queue:
                return
            del self._idle[name]
            task = queue.popleft()
            self._record.began(task)
            self._workers[name].assign(task)

    def _wanted(self, shape: Shape) -> int:
        """How many more workers the tasks of this shape can use, beside those on their way."""
        return max(0, len(self._queues.get(shape, ())) - self._on_their_way(shape))

    def _on_their_way(self, shape: Shape) -> int:
        return sum(
            1
            for name, worker in self._workers.items()
            if worker.shape == shape and not worker.busy and name not in self._idle
        )

    def _start_workers(self, shape: Shape) -> None:
        if self._closed.is_set() or shape in self._no_quota:
            return
        wanted = self._wanted(shape)
        # Snakemake gives us no more tasks at once than the limit, so what is beyond it has nothing to do; or it has a
        # task of an earlier controller's, whose end is waited for
        self._retire(self._spare()[: max(0, len(self._workers) + wanted - self._limit)])
        for _ in range(min(wanted, self._limit - len(self._workers))):
            self._start_worker(shape)

    def _start_worker(self, shape: Shape) -> None:
        plan = worker_plan(self._cluster.names, shape, self._made)
        self._made += 1
        worker = self._workers[plan.name] = self._worker(plan.name, shape)
        self._requests.submit(self._create_pod, worker, plan)

    def _worker(self, name: str, shape: Shape) -> Worker:
        return Worker(
            self._cluster,
            name,
            shape,
            self._record,
            on_hello=self._on_hello,
            on_idle=self._on_idle,
            on_result=self._on_result,
            on_unusable=self._on_unusable,
        )

    def _create_pod(self, worker: Worker, plan: PodPlan) -> None:
        try:
            self._cluster.create_pod(plan)
        except Byok8sError as error:
            found = refused(error)
            if found.cause is Cause.QUOTA and self._wait_for_quota(worker):
                self._on_wait(plan.name, found)
            else:
                self._lose(worker, found)
            return
        self._no_quota.pop(plan.shape, None)
        # retired meanwhile, before there was a pod to delete; or interrupted, and all others are deleted by now
        if self._closed.is_set() or worker.pod not in self._workers:
            self._delete_pod(worker.pod)

    def _wait_for_quota(self, worker: Worker) -> bool:
        """Whether room is waited for: while there are other workers, whose end may make it, and else for the grace."""
        with self._lock:
            since = self._no_quota.setdefault(worker.shape, time.monotonic())
            others = len(self._workers) > 1
            if not others and time.monotonic() - since > GRACE_SECONDS:
                return False
            self._workers.pop(worker.pod, None)
            self._forget(worker.pod)
        worker.end()
        self._make_room()
        return True

    # -- workers tell --

    def _on_hello(self, worker: Worker, jobs: Mapping[str, bool]) -> None:
        """jobs: that it knows beside the tasks that we want from it, and whether they still run."""
        with self._lock:
            self._adopted.heard(worker, jobs)
            if under_way := next((job for job, runs in jobs.items() if runs), None):
                worker.await_earlier(under_way)
            elif not worker.busy:
                self._on_idle(worker)
            unwanted = [job for job, runs in jobs.items() if not runs and not self._adopted.knows(job)]
        for job in unwanted:
            worker.forget(job)

    def _on_idle(self, worker: Worker) -> None:
        with self._lock:
            if worker.pod in self._workers:
                self._idle[worker.pod] = time.monotonic()
                self._assign(worker.shape)
                for shape in list(self._queues):
                    self._start_workers(shape)
        self._make_room()

    def _on_result(self, worker: Worker, task: Task, result: Result) -> None:
        self._on_end(task, worker.pod, of_result(result, worker.node))

    def _on_unusable(self, worker: Worker, error: Exception) -> None:
        self._lose(worker, Outcome(State.FAILED, str(error), cause=Cause.WORKER_LOST))
        self._delete_pod(worker.pod)

    def _delete_pod(self, name: str) -> None:
        with suppress(Byok8sError):  # then it is left until the run's end
            self._cluster.delete_pod(name)

    def _lose(self, worker: Worker, found: Outcome) -> None:
        """A worker is gone, and its task with it. Others wait on for another worker, but for those of a shape of
        which no pod ever comes to run."""
        with self._lock:
            if self._workers.pop(worker.pod, None) is None:
                return
            self._forget(worker.pod)
            self._adopted.lost(worker)
            lost = worker.tasks
            if worker.runs:
                self._start_workers(worker.shape)
            elif not any(other.shape == worker.shape for other in self._workers.values()):
                lost += self._queues.pop(worker.shape, ())
        worker.end()
        for task in lost:
            self._on_end(task, worker.pod, found)

    # -- what comes with time --

    def tick(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._retire([name for name, since in self._idle.items() if now - since > IDLE_SECONDS])
            for shape in list(self._no_quota):  # one more worker at a time is tried
                if self._queues.get(shape) and not self._on_their_way(shape):
                    self._start_worker(shape)

    def _make_room(self) -> None:
        """Where tasks of one shape wait for a node, workers of others that have nothing to do stand in their way."""
        with self._lock:
            short = {self._workers[name].shape for name in self._unplaced} | self._no_quota.keys()
            if any(self._queues.get(shape) for shape in short):
                self._retire(self._spare())

    def _spare(self) -> list[str]:
        """Workers that have nothing to do, and of whose shape no task waits."""
        return [
            name
            for name, worker in self._workers.items()
            if (name in self._idle or not worker.runs) and not self._queues.get(worker.shape)
        ]

    def _retire(self, names: list[str]) -> None:
        for name in names:
            worker = self._workers.pop(name)
            self._forget(name)
            self._adopted.lost(worker)
            worker.end()
            if not self._closed.is_set():
                self._requests.submit(self._delete_pod, name)

    def _forget(self, name: str) -> None:
        self._idle.pop(name, None)
        self._unplaced.discard(name)
