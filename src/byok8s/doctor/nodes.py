"""The nodes: which there are, and whether one takes a pod of a run. Values in, checks out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from byok8s.doctor.check import Check, all_skipped, failed, ok, warning
from byok8s.kube.objects import Object, get_in, items, mapping, text
from byok8s.pods import node_fit
from byok8s.pods.quantity import quantity, words

NAMES = ("ready", "allocatable", "architecture", "GPUs", "taints")
FORBIDDEN = "listing nodes is not allowed, and a run does not need it"
CORDONED = "cordoned"
# what the kubelet itself offers beside devices
OWN = ("cpu", "memory", "ephemeral-storage", "pods", "hugepages-", "attachable-volumes-")


def checks(nodes: Sequence[Object], pod: Object) -> list[Check]:
    """pod: one like those of a run, of the least that a job asks for."""
    if not nodes:
        return [_none(), *all_skipped(NAMES[1:], "there is no node")]
    return [_ready(nodes), _allocatable(nodes), architecture(nodes), _devices(nodes), takes(nodes, pod)]


def _none() -> Check:
    return warning("ready", "there is no node; an autoscaler may make one", "Ask the cluster's operator.")


def _ready(nodes: Sequence[Object]) -> Check:
    away = {text(node, "metadata", "name"): why for node in nodes if (why := _away(node))}
    seen = f"{len(nodes) - len(away)} of {len(nodes)} nodes"
    if not away:
        return ok("ready", seen)
    judge = failed if len(away) == len(nodes) and not node_fit.may_grow(nodes) else warning
    name, why = next(iter(away.items()))
    fix = f"kubectl uncordon {name}" if why == CORDONED else f"kubectl describe node {name}"
    return judge("ready", f"{seen}; {', '.join(f'{name} is {why}' for name, why in away.items())}", fix)


def _away(node: Object) -> str:
    conditions = {text(found, "type"): text(found, "status") for found in items(node, "status", "conditions")}
    if conditions.get("Ready") != "True":
        return "not ready"
    return CORDONED if get_in(node, "spec", "unschedulable") is True else ""


def _allocatable(nodes: Sequence[Object]) -> Check:
    most = [
        words(name, max(quantity(get_in(node, "status", "allocatable", name) or 0) for node in nodes))
        for name in ("cpu", "memory", "ephemeral-storage")
    ]
    return ok("allocatable", f"at most {', '.join(most)} on one node")


def architecture(nodes: Sequence[Object]) -> Check:
    """Which of them an image is for is known by its registry alone, and in the pod it shows."""
    found = Counter(text(node, "status", "nodeInfo", "architecture") or "unknown" for node in nodes)
    seen = ", ".join(f"{name} ({count} of {len(nodes)} nodes)" for name, count in found.most_common())
    if len(found) == 1:
        return ok("architecture", seen)
    return warning(
        "architecture",
        f"{seen}: an image that is made for one of them alone fails on the others",
        f"--pod node_selector=kubernetes.io/arch={found.most_common(1)[0][0]}",
    )


def _devices(nodes: Sequence[Object]) -> Check:
    found: Counter[str] = Counter()
    for node in nodes:
        for name, amount in mapping(node, "status", "allocatable").items():
            if not name.startswith(OWN) and quantity(amount):
                found[name] += int(quantity(amount))
    return ok("GPUs", ", ".join(f"{count} {name}" for name, count in sorted(found.items())) or "none")


def takes(nodes: Sequence[Object], pod: Object) -> Check:
    """Check whether a node's labels, taints and size let it take the pod, were it empty."""
    why = node_fit.objection(pod, nodes)
    if not why:
        tainted = [node for node in nodes if node_fit.objection(pod, [node])]
        return ok("taints", f"{len(nodes) - len(tainted)} of {len(nodes)} nodes take a pod of this run")
    if node_fit.may_grow(nodes):
        return warning("taints", f"{why}. The cluster may grow one that does", _fix(nodes, pod))
    return failed("taints", why, _fix(nodes, pod))


def _fix(nodes: Sequence[Object], pod: Object) -> str:
    taint = node_fit.in_the_way(pod, nodes)
    if taint is None:
        return "Fix --pod node_selector or the pod template: `kubectl get nodes --show-labels` shows what there is."
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"--pod tolerations={taint.get('key')}{value}:{taint.get('effect')}"
