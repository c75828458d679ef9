"""Finding and removing what byok8s left in a namespace."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from byok8s.access.preflight import check_namespace
from byok8s.errors import ClusterError
from byok8s.kube import ApiError, KubeClient, Object, connect
from byok8s.kube.errors import CONFLICT, FORBIDDEN
from byok8s.kube.objects import Json, text
from byok8s.pods.names import MANAGED_BY, Names
from byok8s.run_objects.leftovers import Part, Run, runs, sort_out

# in the order of removal: the owner last, for with it goes whatever else there may be
PATHS = {
    "pods": "/api/v1/namespaces/{}/pods",
    "secrets": "/api/v1/namespaces/{}/secrets",
    "configmaps": "/api/v1/namespaces/{}/configmaps",
    "jobs": "/apis/batch/v1/namespaces/{}/jobs",
}
ONLY_NAMES = frozenset({"secrets", "configmaps"})  # what these hold does not concern us
MANAGER = "app.kubernetes.io/managed-by"
SELECTOR = f"{MANAGER}={MANAGED_BY[MANAGER]}"
ENDED = frozenset({"Succeeded", "Failed", "gone"})
PODS_END_SECONDS = 35.0  # Kubernetes' own grace is 30, ours shorter


@dataclass(frozen=True)
class Refusal:
    """Why an object could not be removed. forbidden: for the lack of a right."""

    why: str
    forbidden: bool = False


@dataclass(frozen=True)
class Found:
    """What is in a namespace.

    context: the kubeconfig's, None for its current one. unseen: resources that we may not list. others: what has our
    labels and is of no run.
    """

    context: str | None
    namespace: str
    runs: tuple[Run, ...]
    unseen: tuple[str, ...]
    others: tuple[Part, ...] = ()


def find(context: str | None, namespace: str | None) -> Found:
    """All runs of a namespace (None: the context's own, else default). Creates and changes nothing.

    Raises InputError for a context that is not there, ClusterError if the cluster cannot be asked or lets us
    list nothing.
    """
    client = connect(context)
    namespace = namespace or client.context.namespace or "default"
    check_namespace(client, namespace)
    listed: dict[str, list[dict[str, Json]]] = {}
    for resource, path in PATHS.items():
        try:
            listed[resource] = client.find(
                path.format(namespace), SELECTOR, only_metadata=resource in ONLY_NAMES
            )
        except ApiError as error:
            if error.code != FORBIDDEN:
                raise
            refusal = error
    if not listed:
        raise refusal
    unseen = tuple(resource for resource in PATHS if resource not in listed)
    ours, others = sort_out(listed)
    return Found(context, namespace, tuple(runs(ours, client.now())), unseen, tuple(others))


def remove(found: Found, chosen: Sequence[Run]) -> None:
    """Remove runs: their pods first, which are given time to end, then what these used, then the owner.

    What is gone meanwhile counts as removed. Raises ClusterError that names what is still there, and why.
    """
    client = connect(found.context)
    parts = [part for run in chosen for part in _parts(run, found.unseen)]
    pods = [part for part in parts if part.resource == "pods"]
    kept = _delete(client, found.namespace, pods, {})
    running = _await_end(client, found.namespace, [pod for pod in pods if pod not in kept])
    # a kubelet takes seconds to let go of a pod that it has ended
    ended = [pod for pod in pods if pod not in kept and pod not in running]
    kept |= _delete(client, found.namespace, ended, {"gracePeriodSeconds": 0})
    late = Refusal(f"told to end, and still there after {PODS_END_SECONDS:.0f} s")
    kept |= dict.fromkeys(running, late)
    for resource in list(PATHS)[1:]:
        of_kind = [part for part in parts if part.resource == resource]
        kept |= _delete(client, found.namespace, of_kind, {"propagationPolicy": "Background"})
    if kept:
        raise ClusterError(
            "Not everything could be removed.",
            where="\n".join(_by_reason(kept)),
            hint=f"The rights are those that `byok8s rbac -k {found.namespace} --with-clean` prints."
            if any(refusal.forbidden for refusal in kept.values())
            else "",
        )


def _parts(run: Run, unseen: Sequence[str]) -> list[Part]:
    """Return those found and the owner, whose name is known. With it goes what we may not list."""
    return [*run.parts, *([Part("jobs", Names(run.name).owner)] if "jobs" in unseen else [])]


def _delete(
    client: KubeClient, namespace: str, parts: Sequence[Part], options: Object
) -> dict[Part, Refusal]:
    """Delete objects; return those that could not be deleted, and why."""
    kept = {}
    for part in parts:
        try:
            same: Object = {"preconditions": {"uid": part.uid}} if part.uid else {}
            client.delete(f"{PATHS[part.resource].format(namespace)}/{part.name}", {**options, **same})
        except ApiError as error:
            if error.code == CONFLICT:
                continue  # it is gone, and there is another of its name
            lacking = error.code == FORBIDDEN
            why = f"missing right: delete {part.resource}" if lacking else error.message
            kept[part] = Refusal(why, forbidden=lacking)
    return kept


def _await_end(client: KubeClient, namespace: str, pods: Sequence[Part]) -> list[Part]:
    """Wait until the containers of these pods have ended. Those that have not when the time is over."""
    deadline = time.monotonic() + PODS_END_SECONDS
    running = list(pods)
    while running and time.monotonic() < deadline:
        listed = client.find(PATHS["pods"].format(namespace), SELECTOR)
        phases = {text(pod, "metadata", "name"): text(pod, "status", "phase") for pod in listed}
        running = [pod for pod in running if phases.get(pod.name, "gone") not in ENDED]
        time.sleep(0.25 if running else 0)
    return running


def _by_reason(kept: dict[Part, Refusal]) -> list[str]:
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    for part, refusal in kept.items():
        names[part.resource, refusal.why].append(part.name)
    return [f"{resource} {', '.join(found)}: {why}." for (resource, why), found in names.items()]
