"""Pods that do not run yet, and for how long that is borne."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from byok8s.executor.outcome import Outcome, State, recall

# of a pod whose image or container cannot be had: a registry's passing fault is over by then
GRACE_SECONDS = 30.0


@dataclass
class _Pod:
    """last: what was read of it. since: when it began to be stuck, without its image or without a node; None while it
    is none of these."""

    last: Outcome
    since: float | None = None


class Waiting:
    """Turns what is read of a pod into what is to be done with it. Any thread may call.

    timeout: seconds that a pod may be without a node; None for no end.
    """

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._pods: dict[str, _Pod] = {}
        self._lock = threading.Lock()

    def see(self, name: str, found: Outcome) -> Outcome:
        """What to act on now. Of a pod that is stuck that is a failure only after the grace."""
        with self._lock:
            pod = self._pods.setdefault(name, _Pod(found))
            found = recall(pod.last, found)
            pod.last = found
            return self._judge(pod, time.monotonic())

    def overdue(self) -> list[tuple[str, Outcome]]:
        """The pods of which nothing new is read, and which have waited for too long by now."""
        now = time.monotonic()
        with self._lock:
            judged = [
                (name, self._judge(pod, now)) for name, pod in self._pods.items() if pod.since is not None
            ]
        return [(name, found) for name, found in judged if found.ended]

    def last(self, name: str) -> Outcome | None:
        """Return what was last read of a pod; None of one that was never seen."""
        with self._lock:
            pod = self._pods.get(name)
        return pod.last if pod else None

    def gone(self, name: str, found: Outcome) -> Outcome:
        """The last word on a pod: found, or what was read before of why it had to go."""
        with self._lock:
            pod = self._pods.pop(name, None)
        return recall(pod.last, found) if pod else found

    def _judge(self, pod: _Pod, now: float) -> Outcome:
        found = pod.last
        # a pull that is tried again and fails again is no recovery
        held_up = found.stuck or found.unplaced or (found.cause is not None and found.cause.of_image)
        pod.since = (pod.since or now) if held_up else None
        if pod.since is None:
            return found
        waited = now - pod.since
        if found.stuck:
            return found if waited >= GRACE_SECONDS else replace(found, state=State.WAITING)
        if found.unplaced and self._timeout is not None and waited >= self._timeout:
            words = found.why.removeprefix("no node takes it yet: ")
            why = f"no node took its pod for {waited / 60:.3g} min (--pending-timeout): {words}"
            return replace(found, state=State.FAILED, why=why, unplaced=False)
        return found
