"""One pod, made exactly like those of a run, that looks around and ends. Everything of it is removed."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from byok8s.bundle import delivery
from byok8s.doctor.scope import Scope
from byok8s.errors import Byok8sError
from byok8s.executor import pod_environment
from byok8s.kube import KubeClient, Object, Watch
from byok8s.kube.objects import text
from byok8s.locks.owner import identity
from byok8s.pods import container
from byok8s.pods.manifest import PodPlan, PodSettings, Shape
from byok8s.pods.names import CONTROLLER_ANNOTATION, WORKER_LABEL, Names, new_run_id
from byok8s.pods.outcome import GONE, Outcome, State, outcome, recall
from byok8s.run_objects.objects import Contents, RunObjects
from byok8s.s3 import Bucket, CurrentCredentials
from byok8s.worker.probe import Seen

# a pull that fails at first may yet succeed; a node without room may get some
TROUBLE_SECONDS = 20.0
PULL_SECONDS, RUN_SECONDS = 300.0, 60.0
LAST_LINES = 3


@dataclass(frozen=True)
class Probe:
    """What became of the pod.

    outcome: its last state, and why it does not run, where it does not. pod, events: Kubernetes' own. waited: seconds
    until its container ran. seen: None if the pod has not told. log: its last words, where it has failed. left: why
    not everything of it could be removed.
    """

    outcome: Outcome
    pod: Object
    waited: float = 0.0
    events: Sequence[Object] = ()
    seen: Seen | None = None
    log: str = ""
    left: str = ""


def contents(scope: Scope) -> Contents:
    """Return what a run brings along, but for the workflow's sources."""
    shares = delivery.config_maps(delivery.worker_files(), {"libraries": delivery.libraries()})
    return Contents(
        {} if scope.no_credentials else pod_environment.credentials_file(CurrentCredentials()), shares
    )


def cluster_run(client: KubeClient, namespace: str, scope: Scope, brought: Contents) -> RunObjects:
    settings = PodSettings(
        image=scope.image,
        config_maps=len(brought.config_maps),
        environment={**pod_environment.environment(), **scope.s3_environment},
        secret_variables=(),
        claim=scope.cache or "",
    )
    return RunObjects(client, namespace, Names(f"doctor-{new_run_id()}"), settings)


def pod_plan(names: Names, shape: Shape, bucket: Bucket | None, key: str) -> PodPlan:
    """key: below the bucket's prefix, of the object that the pod puts for a moment; empty for none."""
    key = f"{bucket.prefix}/{key}".lstrip("/") if bucket and key else ""
    arguments = ("probe", bucket.name if bucket else "", key)
    return PodPlan(names.worker_pod(0), {WORKER_LABEL: "0"}, shape, arguments)


def run_probe(
    client: KubeClient, cluster: RunObjects, plan: PodPlan, brought: Contents, ending: threading.Event
) -> Probe:
    """ending: set where nobody waits any more; the pod is then ended, and removed as at the end.

    Raises Byok8sError if the pod cannot be made or watched.
    """
    changes: queue.SimpleQueue[Object | str | Exception] = queue.SimpleQueue()
    watch = Watch(
        client,
        cluster.pods,
        cluster.names.selector,
        on_change=changes.put,
        on_delete=changes.put,
        on_lost=lambda _: None,
        on_found=lambda: None,
        on_crash=changes.put,
    )
    try:
        cluster.create(brought, _annotations())
        watch.start()
        cluster.create_pod(plan)
        found = _follow(changes, ending)
        found = replace(
            found, events=_events(cluster, plan.name), log=_log(cluster, plan.name, found.outcome)
        )
    except BaseException:
        _remove(cluster, running=True)
        raise
    finally:
        watch.stop()
    return replace(found, left=_remove(cluster, running=found.outcome.state is State.RUNNING))


def _follow(changes: queue.SimpleQueue[Object | str | Exception], ending: threading.Event) -> Probe:
    """Follow the pod until it has ended, or cannot be expected to run."""
    began = changed = time.monotonic()
    probe = Probe(Outcome(State.WAITING), {})
    while not (
        probe.outcome.settled or ending.is_set() or _overdue(probe.outcome, time.monotonic() - changed)
    ):
        with suppress(queue.Empty):
            before, probe = probe.outcome, _after(probe, changes.get(timeout=0.1))
            if (probe.outcome.state, probe.outcome.cause) != (before.state, before.cause):
                changed = time.monotonic()
            if before.waits:
                probe = replace(probe, waited=time.monotonic() - began)
    return probe


def _after(probe: Probe, change: Object | str | Exception) -> Probe:
    """change: the pod as it is now; its name, when it is gone; or why nothing more will be told."""
    match change:
        case Exception():
            raise change
        case str():
            return replace(probe, outcome=recall(probe.outcome, GONE))
        case pod:
            return replace(probe, outcome=recall(probe.outcome, outcome(pod)), pod=pod, seen=_seen(pod))


def _overdue(found: Outcome, seconds: float) -> bool:
    """seconds: for which nothing has changed."""
    if found.cause:
        return seconds > TROUBLE_SECONDS
    return seconds > (RUN_SECONDS if found.state is State.RUNNING else PULL_SECONDS)


def _seen(pod: Object) -> Seen | None:
    message = text(container.ended(pod), "message")
    try:
        return Seen(**json.loads(message))
    except (ValueError, TypeError):
        return None


def _events(cluster: RunObjects, pod: str) -> Sequence[Object]:
    with suppress(Byok8sError):  # a right that a run does without
        return cluster.events(pod)
    return ()


def _log(cluster: RunObjects, pod: str, found: Outcome) -> str:
    if found.state is not State.FAILED or not found.has_log:
        return ""
    with suppress(Byok8sError):
        return "".join([*cluster.log(pod)][-LAST_LINES:]).strip()
    return ""


def _remove(cluster: RunObjects, *, running: bool) -> str:
    """Remove all of it. Returns why that is not done; nothing if it is. running: whether to end the pod first."""
    try:
        if running:
            cluster.end_pods()
        cluster.remove()
    except Byok8sError as error:
        return str(error)
    return ""


def _annotations() -> dict[str, str]:
    return {CONTROLLER_ANNOTATION: identity()}
