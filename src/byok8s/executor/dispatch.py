"""Tasks in, their ends out: with a placement for them, one watch for all pods, and another try where that is due."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from byok8s.errors import Byok8sError
from byok8s.executor import events
from byok8s.executor.cause import Kind
from byok8s.executor.cluster import ClusterRun, Contents
from byok8s.executor.interrupts import interrupt
from byok8s.executor.manifest import Shape, Task
from byok8s.executor.outcome import GONE, Outcome, State, outcome
from byok8s.executor.placement import OnEnd, Placement
from byok8s.executor.policy import Policy
from byok8s.executor.pool import Pool
from byok8s.executor.record import Record
from byok8s.executor.single import SinglePods
from byok8s.executor.waiting import Waiting
from byok8s.kube import KubeClient, Object, Watch
from byok8s.kube.client import OUTAGE_SECONDS
from byok8s.kube.faults import duration
from byok8s.kube.json import text

TICK_SECONDS = 5.0


class Logger(Protocol):
    """Snakemake's."""

    def info(self, words: str) -> None: ...

    def warning(self, words: str) -> None: ...


@dataclass(frozen=True)
class Options:
    """limit: jobs at once. reuse: workers instead of a pod for each task. pending_timeout: seconds that a pod may be
    without a node; None for no end.
    """

    policy: Policy
    limit: int
    reuse: bool
    pending_timeout: float | None


class Dispatch:
    """on_end: told of each task's last try. on_crash: of what should never happen, in a thread of ours.

    reuses: whether tasks share workers.
    """

    def __init__(
        self,
        client: KubeClient,
        cluster: ClusterRun,
        options: Options,
        record: Record,
        logger: Logger,
        on_end: OnEnd,
        on_crash: Callable[[Exception], None],
    ) -> None:
        self._cluster, self._policy, self._record, self._logger = cluster, options.policy, record, logger
        self._on_last_end = on_end
        self.reuses = options.reuse
        self._told = ""  # why a pod waits, as last said to the user
        self._any_ran = False
        self._closed = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._evidence = ThreadPoolExecutor(2, thread_name_prefix="evidence")
        self._waiting = Waiting(options.pending_timeout)
        self._placement: Placement = (
            Pool(cluster, record, self._tell_of_waiting, self._on_end, options.limit)
            if options.reuse
            else SinglePods(cluster, record, self._tell_of_waiting, self._on_end)
        )
        self._watch = Watch(
            client,
            cluster.pods,
            cluster.names.selector,
            on_change=self._on_change,
            on_delete=self._on_delete,
            on_lost=lambda cause: logger.warning(
                f"Lost the Kubernetes API: {cause}. The jobs go on; the run is given up when it stays away for "
                f"{duration(OUTAGE_SECONDS)}."
            ),
            on_found=lambda: logger.info("The Kubernetes API is back."),
            on_crash=on_crash,
        )

    def start(self, contents: Contents, annotations: Mapping[str, str], first: Sequence[Shape]) -> None:
        """first: shapes of the tasks that will be the first. Raises ApiError or Unreachable."""
        left = self._cluster.create(contents, annotations)
        if left:
            self._logger.info(f"Going on with {len(left)} pods that are at work for this run.")
            self._placement.adopt(left)
        self._watch.start()
        threading.Thread(target=self._tick, name="tick", daemon=True).start()
        self._placement.prepare(first)

    def submit(self, task: Task) -> None:
        self._record.given(task)
        self._placement.submit(task)

    def end(self) -> None:
        """No task comes any more, and none is tried again. Waits for nothing."""
        self._closed.set()
        self._placement.close()
        self._watch.stop()
        self._evidence.shutdown(wait=False)

    def _tick(self) -> None:
        while not self._closed.wait(TICK_SECONDS):
            for name, found in self._waiting.overdue():
                self._placement.pod_changed(name, found)
            self._placement.tick()

    # -- pods --

    def _on_change(self, pod: Object) -> None:
        if not self._cluster.owns(pod):  # somebody has given it our labels
            return
        name = text(pod, "metadata", "name")
        found = self._waiting.see(name, outcome(pod))
        if found.state is State.RUNNING:
            self._any_ran = True
        elif found.state is State.WAITING and found.why:
            self._tell_of_waiting(name, found)
        tell = partial(self._placement.pod_changed, name, found)
        self._tell_of_end(tell, expected=not text(pod, "metadata", "deletionTimestamp"))

    def _on_delete(self, name: str) -> None:
        before = self._waiting.last(name)
        tell = partial(self._placement.pod_deleted, name, self._waiting.gone(name, GONE))
        self._tell_of_end(tell, expected=before is None or before.ended)

    def _tell_of_end(self, tell: Callable[[], None], *, expected: bool) -> None:
        if expected or self._closed.is_set():
            tell()
        else:
            self._evidence.submit(self._tell_unless_over, tell)

    def _tell_unless_over(self, tell: Callable[[], None]) -> None:
        """A pod that goes before its job has ended may go with the whole run: then no other is made in its place."""
        with suppress(Byok8sError):
            if self._over.is_set() or self._cluster.is_over():
                self._end_with_owner()
                return
        tell()

    def _end_with_owner(self) -> None:
        with self._lock:
            first = not self._over.is_set()
            self._over.set()
        if first:
            self._logger.warning(
                f"Job {self._cluster.names.owner} is gone, to which all of this run belongs: somebody has deleted it, "
                "or its lease has run out. The run ends."
            )
            interrupt()

    def _tell_of_waiting(self, name: str, found: Outcome) -> None:
        """A pod that waits is worth a word while none runs; beside others it is the cluster being full."""
        if found.why == self._told or self._any_ran or self._closed.is_set():
            return
        self._told = found.why
        self._evidence.submit(self._say_why_it_waits, name, found)

    def _say_why_it_waits(self, name: str, found: Outcome) -> None:
        words = {
            True: " An autoscaler makes a node for it.",
            False: " The autoscaler makes no node for it.",
            None: "",
        }
        reading = events.Reading()
        if found.unplaced:
            with suppress(Byok8sError):
                reading = events.read(self._cluster.events(name))
        self._logger.info(f"{name} waits: {found.why.rstrip('.')}.{words[reading.autoscaler]}")

    # -- tasks --

    def _on_end(self, task: Task, pod: str, found: Outcome) -> None:
        self._record.ended(task, pod, found)
        if found.state is State.SUCCEEDED or self._closed.is_set():
            self._on_last_end(task, pod, found)
            return
        if not (found.cause and found.cause.kind is Kind.JOB):
            self._evidence.submit(self._keep_events, task, pod)
        if again := self._policy.again(task, found):
            self._logger.warning(f"{task.title}: {found.why}. {again.why}.")
            self._record.given(again.task)
            timer = threading.Timer(again.pause, self._submit_again, (again.task,))
            timer.daemon = True
            timer.start()
        else:
            self._on_last_end(task, pod, found)

    def _submit_again(self, task: Task) -> None:
        if not self._closed.is_set():
            self._placement.submit(task)

    def _keep_events(self, task: Task, pod: str) -> None:
        with suppress(Byok8sError, OSError):
            self._record.add_events(task, map(events.line, self._cluster.events(pod)))
