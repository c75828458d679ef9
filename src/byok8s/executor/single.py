"""A pod for each task: for clusters where streams to pods are forbidden, and for who wants it so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

from byok8s.errors import Byok8sError
from byok8s.executor.cause import Cause
from byok8s.executor.cluster import ClusterRun
from byok8s.executor.manifest import Shape, Task, job_plan
from byok8s.executor.outcome import Outcome, State, outcome, refused
from byok8s.executor.placement import OnEnd, OnWait
from byok8s.executor.record import Record
from byok8s.executor.waiting import GRACE_SECONDS
from byok8s.kube.json import Object, text
from byok8s.worker.sections import sections

COLLECTORS = 4  # threads that see to ended pods, so that the watch never waits for a request


class SinglePods:
    """A Placement. Its tasks' ends come with the status of their pods."""

    def __init__(self, cluster: ClusterRun, record: Record, on_wait: OnWait, on_end: OnEnd) -> None:
        self._cluster, self._record, self._on_wait, self._on_end = cluster, record, on_wait, on_end
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}  # by pod name: those under way
        self._refused: dict[str, tuple[Task, float]] = {}  # by pod name: since when the namespace has no room
        self._left: dict[str, Outcome] = {}  # by pod name: of an earlier controller, with what was last read
        self._collectors = ThreadPoolExecutor(COLLECTORS, thread_name_prefix="collect")

    def prepare(self, shapes: Sequence[Shape]) -> None:
        """A pod is made for a task, not for a shape."""

    def adopt(self, pods: Sequence[Object]) -> None:
        """A pod bears the name of its task, so a task that is given anew finds its pod."""
        self._left = {text(pod, "metadata", "name"): outcome(pod) for pod in pods}
        for name in [name for name, found in self._left.items() if found.state is State.FAILED]:
            del self._left[name]
            self._cluster.delete_pod(name)

    def submit(self, task: Task) -> None:
        name = job_plan(self._cluster.names, task).name
        with self._lock:
            self._tasks[name] = task
            left = self._left.pop(name, None)
        if left is None:
            self._create(name, task, time.monotonic())
        else:
            self.pod_changed(name, left)

    def pod_changed(self, name: str, found: Outcome) -> None:
        with self._lock:
            if name in self._left:
                self._left[name] = found
        if found.ended:
            self._ended(name, found)
        elif found.state is State.RUNNING and (task := self._tasks.get(name)):
            self._record.began(task)

    def pod_deleted(self, name: str, found: Outcome) -> None:
        with self._lock:
            self._left.pop(name, None)
        self._ended(name, found)

    def tick(self) -> None:
        """Try again what the namespace had no room for, until it has none again."""
        for name, (task, since) in list(self._refused.items()):
            del self._refused[name]
            self._create(name, task, since)
            if name in self._refused:
                return

    def close(self) -> None:
        self._cluster.stop_waiting()
        self._collectors.shutdown(wait=False)

    def _create(self, name: str, task: Task, since: float) -> None:
        try:
            self._cluster.create_pod(job_plan(self._cluster.names, task))
        except Byok8sError as error:
            found = refused(error)
            others = len(self._tasks) > len(self._refused) + 1
            if found.cause is Cause.QUOTA and (others or time.monotonic() - since < GRACE_SECONDS):
                self._refused[name] = task, since
                self._on_wait(name, found)
                return
            with self._lock:
                self._tasks.pop(name)
            self._on_end(task, name, found)

    def _ended(self, name: str, found: Outcome) -> None:
        with self._lock:
            task = self._tasks.pop(name, None)
        if task:
            self._collectors.submit(self._collect, task, name, found)

    def _keep(self, task: Task, log: Iterable[str]) -> None:
        """The job's output, and the rule's log files."""
        self._record.add_output(task, (), first=True)
        for path, group in groupby(sections(log), key=itemgetter(0)):
            rows = (row for _, row in group)
            if path:
                self._record.add_file(task, path, rows, first=True)
            else:
                self._record.add_output(task, rows)

    def _collect(self, task: Task, name: str, found: Outcome) -> None:
        try:
            if found.has_log:
                self._keep(task, self._cluster.log(name))
        except (Byok8sError, OSError) as error:
            found = replace(found, why=f"{found.why}; its log cannot be kept: {error}".removeprefix("; "))
        self._on_end(task, name, found)
        if found.cause is not Cause.POD_DELETED:
            with suppress(Byok8sError):  # then it is left until the run's end
                self._cluster.delete_pod(name)
