"""Tell whether any node of the cluster could ever take a pod. Values in, words out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from byok8s.kube.objects import Json, Object, get_in, items, mapping
from byok8s.pods import container
from byok8s.pods.quantity import quantity, words

# by these a node says that it belongs to a group which may grow, even from nothing
GROUPS = (
    "cloud.google.com/gke-nodepool",
    "cluster.x-k8s.io/",
    "doks.digitalocean.com/node-pool",
    "eks.amazonaws.com/",
    "karpenter.sh/",
    "kops.k8s.io/instancegroup",
    "kubernetes.azure.com/agentpool",
    "node.cluster.x-k8s.io/",
)


def may_grow(nodes: Iterable[Object]) -> bool:
    """Return whether some node belongs to a group that an autoscaler may be set to enlarge."""
    return any(
        name.startswith(GROUPS)
        for node in nodes
        for kind in ("labels", "annotations")
        for name in mapping(node, "metadata", kind)
    )


def largest_mb(nodes: Sequence[Object]) -> int | None:
    """Return the most memory that one node has for pods, in MB; None if there are no nodes."""
    return max((int(_offer(node, "memory") / 1e6) for node in nodes), default=None)


def objection(pod: Object, nodes: Sequence[Object]) -> str:
    """Say why no node could take the pod even if it were empty; return nothing if one could.

    Affinities are left to the scheduler: what they want can come and go.
    """
    spec = mapping(pod, "spec")
    selector = mapping(spec, "nodeSelector")
    chosen = [node for node in nodes if selector.items() <= _labels(node).items()]
    if not chosen:
        return "no node has the labels " + ", ".join(f"{key}={value}" for key, value in selector.items())
    open_ = [node for node in chosen if not _untolerated(pod, node)]
    if not open_:
        taints = {_taint_words(t) for node in chosen for t in items(node, "spec", "taints")}
        return f"no node is without a taint that it does not tolerate: {', '.join(sorted(taints))}"
    requests = {name: sum(map(quantity, amounts)) for name, amounts in container.requests(pod).items()}
    if any(all(_offers(node, name, wanted) for name, wanted in requests.items()) for node in open_):
        return ""
    return "; ".join(_too_much(requests, open_)) or "no node has all that it asks for at once"


def in_the_way(pod: Object, nodes: Sequence[Object]) -> Mapping[str, Json] | None:
    """Return a taint that keeps the pod from the nodes that its selector names; None if they have room for others."""
    selector = mapping(pod, "spec", "nodeSelector")
    chosen = [node for node in nodes if selector.items() <= _labels(node).items()]
    taints = [_untolerated(pod, node) for node in chosen]
    return taints[0][0] if taints and all(taints) else None


def _untolerated(pod: Object, node: Object) -> list[Mapping[str, Json]]:
    tolerations = items(pod, "spec", "tolerations")
    return [taint for taint in items(node, "spec", "taints") if not _tolerated(taint, tolerations)]


def _too_much(requests: Mapping[str, float], nodes: Sequence[Object]) -> list[str]:
    found = []
    for name, wanted in requests.items():
        most = max(_offer(node, name) for node in nodes)
        if wanted > most:
            found.append(f"it asks for {words(name, wanted)} and the largest node has {words(name, most)}")
    return found


def _offers(node: Object, name: str, wanted: float) -> bool:
    return wanted <= _offer(node, name)


def _offer(node: Object, name: str) -> float:
    return quantity(get_in(node, "status", "allocatable", name) or 0)


def _tolerated(taint: Mapping[str, Json], tolerations: Iterable[Mapping[str, Json]]) -> bool:
    if taint.get("effect") == "PreferNoSchedule" or str(taint.get("key", "")).startswith(
        "node.kubernetes.io/"
    ):
        return True  # a wish; or the node's condition of the moment
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Mapping[str, Json], taint: Mapping[str, Json]) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("key") not in (None, "", taint.get("key")):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def _taint_words(taint: Mapping[str, Json]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key')}{value}:{taint.get('effect')}"


def _labels(node: Object) -> Mapping[str, Json]:
    return mapping(node, "metadata", "labels")
