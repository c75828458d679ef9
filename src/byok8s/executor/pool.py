"""Workers: as many as the ready tasks want. Those that no node takes yet wait; they are what an autoscaler looks at."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from byok8s.errors import Byok8sError
from byok8s.executor.cluster import ClusterRun
from byok8s.executor.manifest import PodPlan, Shape, Task, worker_plan
from byok8s.executor.outcome import GONE, Outcome, State, of_result, refused
from byok8s.executor.placement import OnEnd
from byok8s.executor.record import Record
from byok8s.executor.worker import Worker
from byok8s.worker.protocol import Result

IDLE_SECONDS = 60.0
TICK_SECONDS = 5.0
REQUESTS = 4  # at once, to create and delete pods: the watch must not wait for them


class Pool:
    """A Placement. Tasks of one shape share workers, one at a time in each.

    limit: workers at once, of all shapes.
    """

    def __init__(self, cluster: ClusterRun, record: Record, on_end: OnEnd, limit: int) -> None:
        self._cluster, self._record, self._on_end, self._limit = cluster, record, on_end, limit
        self._lock = threading.RLock()
        self._workers: dict[str, Worker] = {}  # by pod name
        self._idle: dict[str, float] = {}  # by pod name: since when
        self._unplaced: set[str] = set()  # pods that no node takes
        self._queues: dict[Shape, deque[Task]] = {}
        self._made = 0
        self._closed = threading.Event()
        self._requests = ThreadPoolExecutor(REQUESTS, thread_name_prefix="pods")
        threading.Thread(target=self._retire_idle, name="idle workers", daemon=True).start()

    def prepare(self, shapes: Sequence[Shape]) -> None:
        with self._lock:
            for shape in shapes[: self._limit]:
                self._start_worker(shape)

    def submit(self, task: Task) -> None:
        with self._lock:
            self._queues.setdefault(task.shape, deque()).append(task)
            self._assign(task.shape)
            self._start_workers(task.shape)

    def pod_changed(self, name: str, found: Outcome) -> None:
        worker = self._workers.get(name)
        if worker is None:
            return
        if found.ended:
            self._lose(worker, found)
        elif found.state is State.RUNNING:
            worker.node = found.node
            self._unplaced.discard(name)
            worker.pod_runs()
        elif found.unplaced:
            self._unplaced.add(name)
            self._make_room()

    def pod_deleted(self, name: str) -> None:
        if worker := self._workers.get(name):
            self._lose(worker, GONE)

    def close(self) -> None:
        self._closed.set()
        self._requests.shutdown()
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
        on_their_way = sum(
            1
            for name, worker in self._workers.items()
            if worker.shape == shape and worker.task is None and name not in self._idle
        )
        return max(0, len(self._queues.get(shape, ())) - on_their_way)

    def _start_workers(self, shape: Shape) -> None:
        if self._closed.is_set():
            return
        wanted = self._wanted(shape)
        # Snakemake gives us no more tasks at once than the limit, so what is beyond it has nothing to do
        self._retire(self._spare()[: max(0, len(self._workers) + wanted - self._limit)])
        for _ in range(wanted):
            self._start_worker(shape)

    def _start_worker(self, shape: Shape) -> None:
        plan = worker_plan(self._cluster.names, shape, self._made)
        self._made += 1
        worker = self._workers[plan.name] = Worker(
            self._cluster,
            plan.name,
            shape,
            on_idle=self._on_idle,
            on_log=self._record.add_output,
            on_result=self._on_result,
            on_unusable=self._on_unusable,
        )
        self._requests.submit(self._create_pod, worker, plan)

    def _create_pod(self, worker: Worker, plan: PodPlan) -> None:
        try:
            self._cluster.create_pod(plan)
        except Byok8sError as error:
            self._lose(worker, refused(error))
            return
        if worker.pod not in self._workers:  # retired meanwhile, before there was a pod to delete
            self._delete_pod(worker)

    # -- workers tell --

    def _on_idle(self, worker: Worker) -> None:
        with self._lock:
            if worker.pod in self._workers:
                self._idle[worker.pod] = time.monotonic()
                self._assign(worker.shape)
        self._make_room()

    def _on_result(self, worker: Worker, task: Task, result: Result) -> None:
        self._on_idle(worker)
        self._on_end(task, worker.pod, of_result(result, worker.node))

    def _on_unusable(self, worker: Worker, error: Exception) -> None:
        self._lose(worker, Outcome(State.FAILED, str(error)))
        self._delete_pod(worker)

    def _delete_pod(self, worker: Worker) -> None:
        with suppress(Byok8sError):  # then it is left until the run's end
            self._cluster.delete_pod(worker.pod)

    def _lose(self, worker: Worker, found: Outcome) -> None:
        """A worker is gone, and its task with it. Others wait on for another worker, but for those of a shape of
        which no pod ever comes to run."""
        with self._lock:
            if self._workers.pop(worker.pod, None) is None:
                return
            self._forget(worker.pod)
            lost = [worker.task] if worker.task else []
            if worker.runs:
                self._start_workers(worker.shape)
            elif not any(other.shape == worker.shape for other in self._workers.values()):
                lost += self._queues.pop(worker.shape, ())
        worker.end()
        for task in lost:
            self._on_end(task, worker.pod, found)

    # -- fewer workers --

    def _retire_idle(self) -> None:
        while not self._closed.wait(TICK_SECONDS):
            with self._lock:
                now = time.monotonic()
                self._retire([name for name, since in self._idle.items() if now - since > IDLE_SECONDS])

    def _make_room(self) -> None:
        """Where tasks of one shape wait for a node, workers of others that have nothing to do stand in their way."""
        with self._lock:
            placed_by_nobody = [self._workers[name] for name in self._unplaced]
            if any(self._queues.get(worker.shape) for worker in placed_by_nobody):
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
            worker.end()
            if not self._closed.is_set():
                self._requests.submit(self._delete_pod, worker)

    def _forget(self, name: str) -> None:
        self._idle.pop(name, None)
        self._unplaced.discard(name)
