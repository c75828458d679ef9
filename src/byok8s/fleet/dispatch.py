"""Tasks in, their ends out: puts the loop, its core, its effects and the watch together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from byok8s.fleet import adoption
from byok8s.fleet.effects import Effects, Logger, OnBegin, OnEnd
from byok8s.fleet.events import Closed, Expected, Left, PodGone, PodSeen, Submitted
from byok8s.fleet.fleet import Fleet, Options
from byok8s.fleet.loop import Loop
from byok8s.fleet.record import Record
from byok8s.kube import KubeClient, Object, Watch
from byok8s.kube.client import OUTAGE_SECONDS
from byok8s.kube.errors import duration
from byok8s.kube.objects import text
from byok8s.pods.manifest import Shape, Task
from byok8s.pods.names import ENVIRONMENT_LABEL
from byok8s.pods.outcome import outcome
from byok8s.run_objects.objects import Contents, RunObjects


class MakersOfEnvironments(Protocol):
    """Who is told of the pods that make conda environments."""

    def on_pod(self, pod: Object) -> None: ...

    def on_gone(self, name: str) -> None: ...


class Dispatch:
    """What Snakemake's executor sees of the controller.

    on_begin: told of each try that begins. on_end: of each task's last try. on_crash: of what should never happen, in a
    thread of ours.
    reuses: whether tasks share workers. environments: is told of pods that have no task.
    """

    def __init__(
        self,
        client: KubeClient,
        cluster: RunObjects,
        options: Options,
        record: Record,
        logger: Logger,
        on_begin: OnBegin,
        on_end: OnEnd,
        on_crash: Callable[[Exception], None],
        environments: MakersOfEnvironments | None = None,
    ) -> None:
        self._environments, self._record = environments, record
        self._cluster, self._options, self._logger = cluster, options, logger
        self.reuses = options.reuse
        self._loop = Loop(on_crash)
        self._effects = Effects(cluster, record, logger, self._loop.put, on_begin, on_end, on_crash)
        self._watch = Watch(
            client,
            cluster.pods,
            cluster.names.selector,
            on_change=self._on_change,
            on_delete=self._on_delete,
            on_lost=self._on_lost,
            on_found=self._on_found,
            on_crash=on_crash,
        )

    def start(self, contents: Contents, annotations: Mapping[str, str], first: Sequence[Shape]) -> None:
        """Make the run's objects, and go on with what an earlier controller of the run has left.

        first: shapes of the tasks that will be the first. Raises ApiError or Unreachable.
        """
        left = []
        for pod in self._cluster.create(contents, annotations):
            if _makes_environment(pod):  # for a controller that is gone: it is made again
                self._cluster.delete_pod(text(pod, "metadata", "name"))
            else:
                left.append(pod)
        if left:
            self._logger.info(f"Going on with {len(left)} pods that are at work for this run.")
            self._loop.put(Left(tuple(map(adoption.left, left))))
        self._watch.start()
        self._loop.put(Expected(tuple(first)))
        self._loop.start(Fleet(self._cluster.names, self._options), self._effects)

    def submit(self, task: Task) -> None:
        self._loop.put(Submitted(task))

    def end(self) -> None:
        """No task comes any more, and none is tried again. Waits for no request."""
        self._effects.end()
        self._loop.put(Closed())
        self._watch.stop()

    def _on_change(self, pod: Object) -> None:
        if not self._cluster.owns(pod):  # somebody has given it our labels
            return
        if _makes_environment(pod):
            if self._environments:
                self._environments.on_pod(pod)
            return
        leaving = bool(text(pod, "metadata", "deletionTimestamp"))
        self._loop.put(PodSeen(text(pod, "metadata", "name"), outcome(pod), leaving))

    def _on_lost(self, cause: str) -> None:
        self._record.events.note("api.away", {"why": cause})
        self._logger.warning(
            f"Lost the Kubernetes API: {cause}. The jobs go on; the run is given up when it stays away for "
            f"{duration(OUTAGE_SECONDS)}."
        )

    def _on_found(self) -> None:
        self._record.events.note("api.back", {})
        self._logger.info("The Kubernetes API is back.")

    def _on_delete(self, name: str) -> None:
        if self._environments:
            self._environments.on_gone(name)
        self._loop.put(PodGone(name))


def _makes_environment(pod: Object) -> bool:
    return bool(text(pod, "metadata", "labels", ENVIRONMENT_LABEL))
