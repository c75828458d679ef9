"""What a run's pods keep of the cluster: how many there are, and for how long they hold what they ask for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from byok8s.errors import ClusterError
from byok8s.kube import KubeClient, Object
from byok8s.kube.objects import get_in, items, text
from byok8s.pods.quantity import quantity

EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class Cost:
    """pod_seconds: from a pod's place on a node to its end. The others: the same, times what it requests."""

    pods: int
    pod_seconds: float
    core_seconds: float
    gb_seconds: float


class Meter:
    """Looks at a namespace's pods every half second; where one look was missed, the next stands for both."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._seen: set[str] = set()
        self._sums = [0.0, 0.0, 0.0]
        self._over = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    @property
    def cost(self) -> Cost:
        return Cost(len(self._seen), *self._sums)

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(EVERY_SECONDS):
            with contextlib.suppress(ClusterError):
                pods = items(self._client.get(self._path), "items")
                now = time.monotonic()
                self._add(pods, now - before)
                before = now

    def _add(self, pods: Sequence[Object], seconds: float) -> None:
        self._seen |= {text(pod, "metadata", "uid") for pod in pods}
        for pod in pods:
            if text(pod, "spec", "nodeName") and text(pod, "status", "phase") in ("Pending", "Running"):
                held = (1.0, requested(pod, "cpu"), requested(pod, "memory") / 1e9)
                self._sums = [total + seconds * part for total, part in zip(self._sums, held, strict=True)]


def requested(pod: Object, resource: str) -> float:
    """By all containers of a pod; what is not requested is 0."""
    found = [get_in(c, "resources", "requests", resource) for c in items(pod, "spec", "containers")]
    return sum(quantity(amount) for amount in found if amount)
