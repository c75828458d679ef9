"""All that is looked at, side by side, and shown in the order in which people read it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from byok8s.doctor import bucket, inside, machine, namespace, nodes, rights, workflow
from byok8s.doctor.check import Field, Report, all_skipped
from byok8s.doctor.dns import NAME as DNS
from byok8s.doctor.site import Site
from byok8s.doctor.subject import Subject
from byok8s.doctor.visit import contents
from byok8s.executor.names import new_run_id
from byok8s.executor.pod_options import parse
from byok8s.executor.shapes import Shapes

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
    "cluster": machine.NAMES,
    "rights": rights.NAMES,
    "namespace": namespace.NAMES,
    "nodes": nodes.NAMES,
    "bucket": bucket.NAMES,
    "workflow": workflow.NAMES,
    "pod": (*inside.NAMES, DNS),
}


def diagnose(subject: Subject, on_field: Callable[[Field], None]) -> Report:
    """Look at everything. on_field: is shown each field of the report, in their order, as soon as it is known.

    Raises InputError where the context, or what is said of all pods, cannot be used; KeyboardInterrupt once all that
    was made is removed.
    """
    shapes = Shapes(parse(json.dumps(dict(subject.pod))), subject.pod_template)
    ending, fields = threading.Event(), []
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            for field in _fields(subject, shapes, threads, ending):
                on_field(field)
                fields.append(field)
        except BaseException:
            ending.set()
            raise
    return Report(fields)


def _fields(
    subject: Subject, shapes: Shapes, threads: ThreadPoolExecutor, ending: threading.Event
) -> Iterator[Field]:
    """What waits for another is begun after it, so that there is always a thread for it."""
    key = f".byok8s/doctor-{new_run_id()}"
    of_bucket = threads.submit(bucket.look, subject.bucket, f"{key}-here")
    brought = threads.submit(contents, subject)
    reached = machine.look(subject.context)
    if reached.client is None:
        yield Field("cluster", TITLES["cluster"], reached.checks)
        for name in ("rights", "namespace", "nodes"):
            yield _skipped(name)
        yield Field("bucket", TITLES["bucket"], of_bucket.result().checks)
        for name in ("workflow", "pod"):
            yield _skipped(name)
        return
    site = Site(reached.client, subject, shapes, brought.result(), f"{key}-pod", ending)
    may = threads.submit(site.rights)
    room = threads.submit(site.room, may)
    hosts = threads.submit(site.nodes)
    state = threads.submit(site.dns)
    planned = threads.submit(site.workflow, may, of_bucket)
    seen = threads.submit(site.inside, may, room, hosts, of_bucket, state)
    yield Field("cluster", TITLES["cluster"], reached.checks)
    yield Field("rights", TITLES["rights"], may.result())
    yield Field("namespace", TITLES["namespace"], room.result())
    yield Field("nodes", TITLES["nodes"], hosts.result())
    yield Field("bucket", TITLES["bucket"], of_bucket.result().checks)
    yield Field("workflow", TITLES["workflow"], planned.result())
    yield Field("pod", TITLES["pod"], seen.result())


def _skipped(key: str) -> Field:
    return Field(key, TITLES[key], all_skipped(NAMES[key], "the Kubernetes API cannot be used"))
