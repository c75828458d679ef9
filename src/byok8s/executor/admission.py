"""Try whether the cluster takes pods of the run's shapes, before anything is created."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from byok8s.errors import Byok8sError, ClusterError, InputError
from byok8s.kube import ApiError
from byok8s.kube.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, UNPROCESSABLE
from byok8s.kube.objects import Object
from byok8s.pods import node_fit
from byok8s.pods.manifest import DEFAULT_MEMORY_MB, Shape, worker_plan
from byok8s.pods.outcome import LIMIT_RANGE
from byok8s.run_objects.objects import RunObjects

MOST_TRIED = 16  # shapes; a run has seldom more than a handful
# a quota may have room by then; a webhook may not be one that can be asked
PASSING = ("exceeded quota", "does not support dry run")
USERS_OWN = frozenset({BAD_REQUEST, UNPROCESSABLE})  # the API server cannot make sense of what it is given


@dataclass(frozen=True)
class Admission:
    """words: what the user should know although the run can start. largest_mb: memory of the largest node; None if
    nodes may not be listed.
    """

    words: str
    largest_mb: int | None


def try_shapes(cluster: RunObjects, shapes: Mapping[str, Shape]) -> Admission:
    """Have the cluster look at one pod of each shape, creating none.

    shapes: by rule. Raises InputError if what the user says of a pod is wrong, ClusterError if the cluster
    refuses a pod, or where no node could ever take it.
    """
    rules = {shape: rule for rule, shape in reversed(list(shapes.items()))}
    tried = list(rules)[:MOST_TRIED]
    with ThreadPoolExecutor(len(tried) + 1) as threads:
        listing = threads.submit(_nodes, cluster)
        for shape, refusal in zip(
            tried, threads.map(lambda shape: _refusal(cluster, shape), tried), strict=True
        ):
            if refusal:
                raise _refused(rules[shape], shape, refusal) from refusal
        nodes = listing.result()
    too_large = "\n".join(_too_large(cluster, rules, nodes))
    if too_large and not node_fit.may_grow(nodes):
        raise ClusterError(
            "No node of the cluster can ever take what this workflow asks for:",
            where=too_large,
            hint="Ask for less in the rule's threads, mem_mb, disk_mb or resources, or for a larger node.",
        )
    words = too_large and f"No node takes this now; the cluster may grow one that does:\n{too_large}"
    return Admission(words, node_fit.largest_mb(nodes))


LIMIT_RANGE_HINT = (
    "A LimitRange of the namespace says so: ask for another amount in the rule's mem_mb, threads or disk_mb (without "
    f"mem_mb it is {DEFAULT_MEMORY_MB} MB), or have the namespace's operator change it."
)


def _refused(rule: str, shape: Shape, refusal: ApiError) -> Byok8sError:
    users_own = (shape.said or shape.template) and refusal.code in USERS_OWN
    kind = InputError if users_own else ClusterError
    what = f"The cluster does not take a pod of rule {rule}."
    if re.search(LIMIT_RANGE, refusal.message):
        return kind(what, where=f"{refusal.what} {refusal.where}", hint=LIMIT_RANGE_HINT)
    return kind(what, where=str(refusal))


def _too_large(cluster: RunObjects, rules: Mapping[Shape, str], nodes: list[Object]) -> list[str]:
    if not nodes:
        return []
    plans = {rule: worker_plan(cluster.names, shape, 0) for shape, rule in rules.items()}
    objections = {rule: node_fit.objection(cluster.pod(plan), nodes) for rule, plan in plans.items()}
    return [f"rule {rule}: {words}." for rule, words in objections.items() if words]


def _nodes(cluster: RunObjects) -> list[Object]:
    """Return the nodes; none if a user of this namespace may not list them: then the scheduler decides."""
    try:
        return cluster.nodes()
    except ApiError as error:
        if error.code in {FORBIDDEN, NOT_FOUND}:
            return []
        raise


def _refusal(cluster: RunObjects, shape: Shape) -> ApiError | None:
    plan = worker_plan(cluster.names, shape, 0)
    try:
        cluster.try_pod(replace(plan, name=f"{plan.name}-trial"))
    except ApiError as error:
        return None if any(words in error.message for words in PASSING) else error
    return None
