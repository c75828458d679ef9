"""All that is looked at, side by side, and shown in the order in which people read it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from byok8s.doctor import bucket, local_checks, namespace, nodes, probe_checks, rights, workflow
from byok8s.doctor.check import Field, Report, all_skipped
from byok8s.doctor.cluster_checks import ClusterChecks
from byok8s.doctor.dns import NAME as DNS
from byok8s.doctor.probe_pod import contents
from byok8s.doctor.scope import Scope
from byok8s.jobs.shapes import Shapes
from byok8s.pods.names import new_run_id
from byok8s.pods.pod_options import parse

THREADS = 16
TITLES = {
    "cluster": "This machine and the cluster",
    "rights": "Rights",
    "namespace": "Namespace",
    "nodes": "Nodes",
    "bucket": "Bucket, from this machine",
    "workflow": "Workflow",
    "pod": "Inside a pod",
}
NAMES: dict[str, Sequence[str]] = {
    "cluster": local_checks.NAMES,
    "rights": rights.NAMES,
    "namespace": namespace.NAMES,
    "nodes": nodes.NAMES,
    "bucket": bucket.NAMES,
    "workflow": workflow.NAMES,
    "pod": (*probe_checks.NAMES, DNS),
}


def diagnose(scope: Scope, on_field: Callable[[Field], None]) -> Report:
    """Look at everything. on_field: is shown each field of the report, in their order, as soon as it is known.

    Raises InputError if the context, or what is said of all pods, cannot be used; KeyboardInterrupt once all that
    was made is removed.
    """
    shapes = Shapes(parse(json.dumps(dict(scope.pod))), scope.pod_template)
    ending, fields = threading.Event(), []
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            for field in _fields(scope, shapes, threads, ending):
                on_field(field)
                fields.append(field)
        except BaseException:
            ending.set()
            raise
    return Report(fields)


def _fields(
    scope: Scope, shapes: Shapes, threads: ThreadPoolExecutor, ending: threading.Event
) -> Iterator[Field]:
    """Look at all fields at once. What waits for another is begun after it, so that there is always a thread for it."""
    key = f".byok8s/doctor-{new_run_id()}"
    of_bucket = threads.submit(bucket.look, scope.bucket, f"{key}-here")
    brought = threads.submit(contents, scope)
    reached = local_checks.look(scope.context)
    if reached.client is None:
        yield Field("cluster", TITLES["cluster"], reached.checks)
        for name in ("rights", "namespace", "nodes"):
            yield _skipped(name)
        yield Field("bucket", TITLES["bucket"], of_bucket.result().checks)
        for name in ("workflow", "pod"):
            yield _skipped(name)
        return
    cluster = ClusterChecks(reached.client, scope, shapes, brought.result(), f"{key}-pod", ending)
    may = threads.submit(cluster.rights)
    room = threads.submit(cluster.room, may)
    hosts = threads.submit(cluster.nodes)
    state = threads.submit(cluster.dns)
    planned = threads.submit(cluster.workflow, may, of_bucket)
    seen = threads.submit(cluster.inside, may, room, hosts, of_bucket, state)
    yield Field("cluster", TITLES["cluster"], reached.checks)
    yield Field("rights", TITLES["rights"], may.result())
    yield Field("namespace", TITLES["namespace"], room.result())
    yield Field("nodes", TITLES["nodes"], hosts.result())
    yield Field("bucket", TITLES["bucket"], of_bucket.result().checks)
    yield Field("workflow", TITLES["workflow"], planned.result())
    yield Field("pod", TITLES["pod"], seen.result())


def _skipped(key: str) -> Field:
    return Field(key, TITLES[key], all_skipped(NAMES[key], "the Kubernetes API cannot be used"))
