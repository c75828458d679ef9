"""The workflow: whether Snakemake can plan it, and whether the cluster takes what its jobs ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from byok8s.doctor.check import Check, failed, of_error, ok, skipped, warning
from byok8s.doctor.plan import PLAN_SECONDS, WorkflowPlan
from byok8s.errors import Byok8sError
from byok8s.executor import capacity
from byok8s.executor.admission import try_shapes
from byok8s.jobs.shapes import Shapes
from byok8s.pods.manifest import DEFAULT_MEMORY_MB, Shape
from byok8s.run_objects.objects import RunObjects

NAMES = ("plan", "software", "largest job")
NO_WORKFLOW = "no workflow is named: byok8s doctor WORKFLOW PARAMS"


def planned(plan: WorkflowPlan | None) -> Check:
    """plan: None if it has taken too long."""
    if plan is None:
        return skipped("plan", f"Snakemake was not ready after {PLAN_SECONDS:.0f} s; a run waits for it")
    if plan.fault:
        return failed("plan", f"Snakemake cannot plan it: {plan.fault}", plan.hint)
    rules = len({job.name for job in plan.jobs})
    return ok("plan", f"jobs of {rules} rules to run" if rules else "nothing to run: all is up to date")


def software(plan: WorkflowPlan) -> Check:
    """Say which rules get which images and conda environments."""
    return ok("software", " ".join(plan.software) or "all rules get what the image has")


def shapes(plan: WorkflowPlan, of: Shapes) -> Mapping[str, Shape]:
    """Return the largest shape of each rule. Raises InputError if what a rule says of its pods cannot be used."""
    found: dict[str, Shape] = {}
    for job in plan.jobs:
        shape = of.of(job)
        found[job.name] = max(found.get(job.name, shape), shape, key=_size)
    return found


def largest(plan: WorkflowPlan, of: Shapes, cluster: RunObjects, *, scaled: bool) -> Check:
    """Check whether the cluster takes a pod of each rule, and some node is large enough. Creates nothing.

    scaled: a run gives a rule at most the threads of its nodes.
    """
    try:
        found = shapes(plan, of)
        if not found:
            return skipped("largest job", "there is nothing to run")
        if scaled:
            found = _scaled(found, cluster)
        trial = try_shapes(cluster, found)
    except Byok8sError as error:
        return of_error("largest job", error)
    if trial.words:
        return warning("largest job", trial.words, "Ask for less in the rule's threads, mem_mb or disk_mb.")
    rule = max(found, key=lambda rule: _size(found[rule]))
    room = "there is a node for it" if trial.largest_mb is not None else "the nodes are not for us to see"
    return ok("largest job", f"{_words(found[rule])}, of rule {rule}: {room}")


def _scaled(found: Mapping[str, Shape], cluster: RunObjects) -> Mapping[str, Shape]:
    most = capacity.of_shapes(cluster, found, cluster.nodes())
    return {
        rule: replace(shape, cores=min(shape.cores, most.get(rule, shape.cores)))
        for rule, shape in found.items()
    }


def _size(shape: Shape) -> tuple[int, int, int]:
    return (shape.mem_mb or DEFAULT_MEMORY_MB, shape.cores, shape.disk_mb or 0)


def _words(shape: Shape) -> str:
    disk = f", {shape.disk_mb} MB of disk" if shape.disk_mb else ""
    return f"{shape.cores} CPU, {shape.mem_mb or DEFAULT_MEMORY_MB} MB of memory{disk}"
