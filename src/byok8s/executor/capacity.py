"""How many threads one job can have: those of the largest node that takes a pod of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from byok8s.jobs.shapes import Shapes
from byok8s.kube import ApiError, connect
from byok8s.kube.errors import FORBIDDEN, NOT_FOUND
from byok8s.kube.objects import Object, get_in
from byok8s.pods import node_fit
from byok8s.pods.manifest import CPU_REQUEST_SHARE, PodSettings, Shape, worker_plan
from byok8s.pods.names import Names
from byok8s.pods.pod_options import parse
from byok8s.pods.quantity import quantity
from byok8s.run_objects.objects import RunObjects


@dataclass(frozen=True)
class Capacity:
    """threads: of the largest node that takes a pod of the run; None if none does, or nodes may not be listed.

    most: of the largest node of all, which rules may choose. grows: whether an autoscaler may add nodes, which may be
    larger.
    """

    threads: int | None = None
    most: int | None = None
    grows: bool = False

    def limit(self, *, strict: bool) -> int | None:
        """Return the most threads that a job is given; None if it is given what it asks for, come what may."""
        return None if strict or self.grows or self.threads is None else self.most


def look(context: str | None, pod: Mapping[str, object], pod_template: str | None) -> Capacity:
    """Ask the cluster.

    pod, pod_template: of all pods of the run, which may choose among nodes. Raises InputError if they cannot be used.
    """
    shape = Shapes(parse(json.dumps(dict(pod))), pod_template).of_run()
    cluster = RunObjects(connect(context), "default", Names("none"), PodSettings("none", 0, {}, ()))
    try:
        nodes = cluster.nodes()
    except ApiError as error:
        if error.code in {FORBIDDEN, NOT_FOUND}:
            return Capacity()
        raise
    return of_nodes(nodes, cluster.pod(worker_plan(cluster.names, shape, 0)))


def of_nodes(nodes: Sequence[Object], pod: Object) -> Capacity:
    """Return the capacity of nodes for pods like this one, of one thread."""
    taking = [node for node in nodes if not node_fit.objection(pod, [node])]
    return Capacity(
        max(map(_threads, taking), default=None),
        max(map(_threads, nodes), default=None),
        node_fit.may_grow(nodes),
    )


def of_shapes(cluster: RunObjects, shapes: Mapping[str, Shape], nodes: Sequence[Object]) -> dict[str, int]:
    """Return the threads of the largest node that takes a rule's pods, by the rule; without rules that none takes."""
    pods = {
        rule: cluster.pod(worker_plan(cluster.names, replace(shape, cores=1, mem_mb=None, disk_mb=None), 0))
        for rule, shape in shapes.items()
    }
    found = {rule: of_nodes(nodes, pod).threads for rule, pod in pods.items()}
    return {rule: threads for rule, threads in found.items() if threads}


def _threads(node: Object) -> int:
    """Return how many threads a pod on the empty node can have. Its request is a little less, as manifest has it."""
    milli = round(quantity(get_in(node, "status", "allocatable", "cpu") or 0) * 1000)
    threads = int(milli / 1000 / CPU_REQUEST_SHARE) + 1
    while int(threads * 1000 * CPU_REQUEST_SHARE) > milli:
        threads -= 1
    return threads
