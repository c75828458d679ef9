"""Who shares the namespace: objects that have our names and labels and are not ours, and a quota that is busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from account import user
from byok8s.access.rights import Right
from byok8s.errors import ClusterError
from byok8s.kube import ApiError, Context, KubeClient
from byok8s.kube.objects import Json, get_in, items, mapping, text
from byok8s.pods.manifest import PodSettings, Shape, worker_plan
from byok8s.pods.names import CONTROLLER_ANNOTATION, Names
from byok8s.run_objects.objects import Contents, RunObjects
from sandbox import Sandbox
from snakefiles import ONCE, many

SHAPE = Shape(1, said='{"spec": {"nodeSelector": {"no": "such"}}}')
NOTE = {CONTROLLER_ANNOTATION: "ada@laptop, process 7"}
CONTENTS = Contents({"TOKEN": "t"}, [{"worker.pyz": b"ours"}])


def run_of(cluster: Sandbox, names: Names) -> RunObjects:
    return RunObjects(cluster.client, cluster.namespace, names, PodSettings("none:1", 1, {}, ()))


def path(cluster: Sandbox, kind: str, name: str = "") -> str:
    group = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
    return f"{group}/namespaces/{cluster.namespace}/{kind}" + (f"/{name}" if name else "")


def pod(name: str, **metadata: Json) -> dict[str, Json]:
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"nodeSelector": {"no": "such"}, "containers": [{"name": "worker", "image": "none:1"}]},
    }


@contextmanager
def busy_quota(cluster: Sandbox) -> Iterator[None]:
    """A quota with room for everything, which somebody changes all the time."""
    quota: dict[str, Json] = {"metadata": {"name": "busy"}, "spec": {"hard": {"pods": "1000"}}}
    cluster.client.post(path(cluster, "resourcequotas"), quota)
    over = threading.Event()

    def change() -> None:
        client, number = KubeClient(Context()), 1000
        while not over.is_set():
            number += 1
            with suppress(ApiError):
                client.patch(
                    path(cluster, "resourcequotas", "busy"), {"spec": {"hard": {"pods": str(number)}}}
                )
            time.sleep(0.003)  # else what is created in between may never get its turn

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_creations_that_a_busy_quota_refuses_are_tried_again(cluster: Sandbox) -> None:
    """The API server answers them with 409 and the reason Conflict, as it answers a name that is taken with another."""
    run = run_of(cluster, Names("busy"))
    run.create(CONTENTS, NOTE)
    plans = [worker_plan(run.names, SHAPE, number) for number in range(60)]
    with busy_quota(cluster), ThreadPoolExecutor(20) as threads:
        list(threads.map(run.create_pod, plans))
    assert {text(made, "metadata", "name") for made in cluster.objects("pods")} == {
        plan.name for plan in plans
    }
    run.remove()


EVIL = "import sys; sys.exit('hijacked')"


def test_a_neighbour_who_may_create_config_maps_and_watch_jobs(cluster: Sandbox) -> None:
    """He creates what the run is about to create, as soon as he sees the run's Job."""
    rights = [
        *(Right(verb, "jobs", "", "batch") for verb in ("get", "list", "watch")),
        *(Right(verb, "configmaps", "") for verb in ("create", "list")),
        Right("create", "secrets", ""),
    ]
    neighbour = KubeClient(Context(files=[cluster.folder / user(cluster, rights)]))
    over, made = threading.Event(), set[str]()

    def take(kind: str, name: str) -> None:
        body: dict[str, Json] = {"metadata": {"name": name}}
        body["stringData" if kind == "secrets" else "data"] = {"worker.pyz": EVIL}
        with suppress(ApiError):
            made.add(text(neighbour.post(path(cluster, kind), body), "metadata", "name"))

    def watch() -> None:
        seen: set[str] = set()
        while not over.is_set():
            for job in items(neighbour.get(path(cluster, "jobs")), "items"):
                name = text(job, "metadata", "name")
                if name not in seen:
                    seen.add(name)
                    for taken in (f"{name}-0", f"{name}-1", name):
                        take("configmaps", taken)
                    take("secrets", name)
                    for other in items(neighbour.get(path(cluster, "configmaps")), "items"):
                        suffix = text(other, "metadata", "name").rpartition("-")[2]
                        take("configmaps", f"{name}-0-{suffix}")
                        take("configmaps", f"{name}-1-{suffix}")

    cluster.write(many(2, ONCE))
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        said = cluster.run("wf", "params")
    finally:
        over.set()
        thread.join()
    assert made, "he was never there"
    assert "hijacked" not in said
    assert cluster.read("out-1.txt") == "1\n"
    assert cluster.names() == []
    left = items(cluster.client.get(path(cluster, "configmaps")), "items")
    assert {text(kept, "metadata", "name") for kept in left} >= {name for name in made if name[-2:] == "-0"}


def test_a_job_that_somebody_else_has_made_is_neither_used_nor_removed(cluster: Sandbox) -> None:
    names = Names("x")
    theirs = run_of(cluster, Names("x"))
    theirs.create(CONTENTS, NOTE)
    ours = run_of(cluster, names)
    with pytest.raises(ClusterError, match="There is a Job byok8s-x already, which this run has not made"):
        ours.create(CONTENTS, NOTE)
    ours.remove()
    assert len(cluster.objects("jobs")) == 1
    assert len(cluster.objects("configmaps")) == 1
    theirs.remove()
    assert cluster.names() == []


def test_a_controller_with_the_runs_key_goes_on_with_what_is_its_own(cluster: Sandbox) -> None:
    names = Names("x")
    first = run_of(cluster, names)
    first.create(CONTENTS, NOTE)
    plan = worker_plan(first.names, SHAPE, 0)
    first.create_pod(plan)
    reference: dict[str, Json] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": names.owner,
        "uid": first.names.uid,
    }
    forged: dict[str, dict[str, Json]] = {
        "only-labels": {},
        "and-the-owner": {"ownerReferences": [reference]},
        "and-a-proof": {
            "ownerReferences": [reference],
            "annotations": {"byok8s.io/proof": first.names.proof(plan.name)},
        },
    }
    for name, metadata in forged.items():
        cluster.client.post(path(cluster, "pods"), pod(name, labels=dict(names.labels), **metadata))
    second = run_of(cluster, names)
    left = second.create(CONTENTS, {CONTROLLER_ANNOTATION: "ada@laptop, process 8"})
    assert [text(found, "metadata", "name") for found in left] == [plan.name]
    second.end_pods()
    second._delete_pods({"gracePeriodSeconds": 0})  # what the owner would take along is still to be seen
    assert {text(found, "metadata", "name") for found in cluster.objects("pods")} == {
        "only-labels",
        "and-the-owner",
        "and-a-proof",
    }
    second.remove()


def test_a_pod_whose_name_somebody_else_has_taken(cluster: Sandbox) -> None:
    run = run_of(cluster, Names("x"))
    run.create(CONTENTS, NOTE)
    plan = worker_plan(run.names, SHAPE, 0)
    cluster.client.post(path(cluster, "pods"), pod(plan.name))
    with pytest.raises(ClusterError, match=f"There is a pod {plan.name} already"):
        run.create_pod(plan)
    run.remove()
    cluster.client.get(path(cluster, "pods", plan.name))


def test_a_creation_whose_answer_was_lost_is_one_pod(cluster: Sandbox) -> None:
    run = run_of(cluster, Names("x"))
    run.create(CONTENTS, NOTE)
    plan = worker_plan(run.names, SHAPE, 0)
    run.create_pod(plan)
    run.create_pod(plan)
    assert len(cluster.objects("pods")) == 1
    assert get_in(cluster.objects("pods")[0], "metadata", "deletionTimestamp") is None
    run.remove()


def test_a_part_that_cannot_be_removed_keeps_no_other(
    cluster: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(cluster, Names("x"))
    run.create(CONTENTS, NOTE)

    def fail(_: object) -> None:
        raise RuntimeError("of no kind that anybody expects")

    monkeypatch.setattr(run, "_delete_pods", fail)
    with pytest.raises(RuntimeError):
        run.remove()
    until = time.monotonic() + 20
    while cluster.names() and time.monotonic() < until:
        time.sleep(0.25)
    assert cluster.names() == []


@pytest.mark.parametrize(
    ("hard", "words"),
    [
        ({"count/jobs.batch": "0"}, "one of its jobs is refused"),
        ({"secrets": "0"}, "one of its secrets is refused"),
        ({"configmaps": "0"}, "one of its configmaps is refused"),
        ({"count/configmaps": "3"}, "has no room for the objects of a run"),
    ],
    ids=["jobs", "secrets", "config maps", "some config maps"],
)
def test_a_quota_is_found_before_anything_is_planned(
    hard: dict[str, Json], words: str, cluster: Sandbox
) -> None:
    quota: dict[str, Json] = {"metadata": {"name": "tight"}, "spec": {"hard": hard}}
    cluster.client.post(path(cluster, "resourcequotas"), quota)
    until = time.monotonic() + 20
    while not mapping(cluster.client.get(path(cluster, "resourcequotas", "tight")), "status", "hard"):
        assert time.monotonic() < until
        time.sleep(0.25)
    cluster.write(
        {**many(1, ONCE), "Snakefile": "onstart:\n    print('has begun')\nrule a:\n    output: 'a.txt'\n"}
    )
    said = cluster.run("wf", "params", "a.txt", expect=3)
    assert words in " ".join(said.split())
    assert "larger quota" in " ".join(said.split())
    assert "has begun" not in said
    assert cluster.names() == []


def test_a_limit_range_is_found_before_anything_is_created(cluster: Sandbox) -> None:
    limit: Json = {"type": "Container", "max": {"memory": "100Mi"}}
    limits: dict[str, Json] = {"metadata": {"name": "small"}, "spec": {"limits": [limit]}}
    cluster.client.post(path(cluster, "limitranges"), limits)
    cluster.write(many(1, ONCE))
    said = " ".join(cluster.run("wf", "params", expect=3).split())
    assert "The cluster does not take a pod of rule" in said
    assert "maximum memory usage per Container is 100Mi" in said
    assert "A LimitRange of the namespace says so" in said
    assert "for this right" not in said
    assert cluster.names() == []
