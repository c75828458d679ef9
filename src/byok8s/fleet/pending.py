"""Pods that have not started, and how long they may take before their tasks fail. Values in, values out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from byok8s.pods.outcome import Outcome, State, recall

# of a pod whose image or container cannot be had: a registry's passing fault is over by then
GRACE_SECONDS = 30.0


@dataclass
class _Pod:
    """What is known of a pod.

    last: what was read of it. since: when it began to be stuck, without its image or without a node; None while it
    is none of these.
    """

    last: Outcome
    since: float | None = None


class PendingPods:
    """Turns what is read of a pod into what to act on now.

    timeout: seconds that a pod may be without a node; None for no end.
    """

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._pods: dict[str, _Pod] = {}

    def see(self, name: str, found: Outcome, now: float) -> Outcome:
        """Return what to act on now. That a pod is stuck is a failure only after a grace."""
        pod = self._pods.setdefault(name, _Pod(found))
        pod.last = recall(pod.last, found)
        return self._judge(pod, now)

    def last(self, name: str) -> Outcome | None:
        """Return what was last read of a pod, as it is."""
        return self._pods[name].last if name in self._pods else None

    def overdue(self, now: float) -> list[tuple[str, Outcome]]:
        """Return the pods of which nothing new is read, and which have waited for too long by now."""
        judged = [(name, self._judge(pod, now)) for name, pod in self._pods.items() if pod.since is not None]
        return [(name, found) for name, found in judged if found.ended]

    def held_up(self, now: float, seconds: float) -> list[tuple[str, Outcome]]:
        """Return the pods that have been stuck, without their image or without a node for as long."""
        return [
            (name, pod.last)
            for name, pod in self._pods.items()
            if pod.since is not None and now - pod.since >= seconds
        ]

    @property
    def any_runs(self) -> bool:
        """Whether a pod is known to run."""
        return any(pod.last.state is State.RUNNING for pod in self._pods.values())

    def has_ended(self, name: str) -> bool:
        """Return whether a pod's end was read, or nothing at all: then that it is deleted is no news."""
        pod = self._pods.get(name)
        return pod is None or pod.last.ended

    def gone(self, name: str, found: Outcome) -> Outcome:
        """Return why a deleted pod went away: the last known cause if there was one, else `found`."""
        pod = self._pods.pop(name, None)
        return recall(pod.last, found) if pod else found

    def _judge(self, pod: _Pod, now: float) -> Outcome:
        found = pod.last
        # a pull that is tried again and fails again is no recovery
        held_up = found.state in {State.STUCK, State.UNPLACED} or (found.cause and found.cause.of_image)
        if not held_up:
            pod.since = None
            return found
        pod.since = now if pod.since is None else pod.since
        waited = now - pod.since
        if found.state is State.STUCK and waited >= GRACE_SECONDS:
            return replace(found, state=State.FAILED, lingers=True)
        if found.state is State.UNPLACED and self._timeout is not None and waited >= self._timeout:
            why = f"its pod has waited for {waited / 60:.3g} min (--pending-timeout): {found.why}"
            return replace(found, state=State.FAILED, why=why, lingers=True)
        return found
