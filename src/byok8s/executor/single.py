"""A pod for each task: for clusters where streams to pods are forbidden, and for who wants it so."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from byok8s.errors import Byok8sError
from byok8s.executor.cluster import ClusterRun
from byok8s.executor.manifest import Shape, Task, job_plan
from byok8s.executor.outcome import GONE, Outcome, State, refused
from byok8s.executor.placement import OnEnd
from byok8s.executor.record import Record

COLLECTORS = 4  # threads that see to ended pods, so that the watch never waits for a request


class SinglePods:
    """A Placement. Its tasks' ends come with the status of their pods."""

    def __init__(self, cluster: ClusterRun, record: Record, on_end: OnEnd) -> None:
        self._cluster, self._record, self._on_end = cluster, record, on_end
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}  # by pod name: those under way
        self._collectors = ThreadPoolExecutor(COLLECTORS, thread_name_prefix="collect")

    def prepare(self, shapes: Sequence[Shape]) -> None:
        """A pod is made for a task, not for a shape."""

    def submit(self, task: Task) -> None:
        plan = job_plan(self._cluster.names, task)
        with self._lock:
            self._tasks[plan.name] = task
        try:
            self._cluster.create_pod(plan)
        except Byok8sError as error:
            with self._lock:
                self._tasks.pop(plan.name)
            self._on_end(task, plan.name, refused(error))

    def pod_changed(self, name: str, found: Outcome) -> None:
        if found.ended:
            self._ended(name, found)
        elif found.state is State.RUNNING and (task := self._tasks.get(name)):
            self._record.began(task)

    def pod_deleted(self, name: str) -> None:
        self._ended(name, GONE)

    def close(self) -> None:
        self._collectors.shutdown()

    def _ended(self, name: str, found: Outcome) -> None:
        with self._lock:
            task = self._tasks.pop(name, None)
        if task:
            self._collectors.submit(self._collect, task, name, found)

    def _collect(self, task: Task, name: str, found: Outcome) -> None:
        try:
            if found.state is State.FAILED and found.has_log:
                self._record.add_output(task, self._cluster.log(name))
        except (Byok8sError, OSError) as error:
            found = replace(found, why=f"{found.why}; its log cannot be kept: {error}")
        self._on_end(task, name, found)
        if found is not GONE:
            with suppress(Byok8sError):  # then it is left until the run's end
                self._cluster.delete_pod(name)
