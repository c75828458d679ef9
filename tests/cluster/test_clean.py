"""What a killed run leaves is found, told from the living, and removed."""

import contextlib
import fcntl
import os
import pty
import subprocess
import termios
import time
from collections.abc import Iterable

import pytest
from click.testing import CliRunner

from account import user
from byok8s.access.rights import CLEAN_RIGHTS, RIGHTS, Right
from byok8s.cli import byok8s
from byok8s.errors import ClusterError
from byok8s.kube import client as kube_client
from byok8s.kube.objects import Json, text
from byok8s.pods import manifest
from byok8s.pods.manifest import LEASE_SECONDS
from byok8s.pods.names import Names
from byok8s.run_objects import clean, leftovers
from sandbox import Sandbox

WORKFLOW = {"wf.json": '{"workflow_target": "only"}', "params.json": "{}"}
LABELS: dict[str, Json] = {"app.kubernetes.io/managed-by": "byok8s"}


def start(cluster: Sandbox, shell: str) -> subprocess.Popen[str]:
    """A run whose pod has come to run."""
    cluster.write({**WORKFLOW, "Snakefile": f"rule only:\n    output: 'out.txt'\n    shell: {shell!r}\n"})
    run = cluster.start("wf", "params")
    cluster.await_pods()
    return run


def killed(cluster: Sandbox) -> str:
    """The id of a run whose controller was killed; all kinds of objects are left of it."""
    run = start(cluster, "sleep 300; touch {output}")
    run.kill()
    run.communicate()
    assert {name.partition("/")[0] for name in cluster.names()} == {"jobs", "pods", "secrets", "configmaps"}
    (owner,) = cluster.objects("jobs")
    return text(owner, "metadata", "name").removeprefix("byok8s-")


def owner(cluster: Sandbox, run: str, renewed_after: int = 0) -> None:
    """The owner of a run, as its controller leaves it when it renews the lease at that age in seconds."""
    body = dict(manifest.owner(Names(run), "none:1", {"byok8s.io/controller": "ada@laptop"}))
    body["spec"] = {**body["spec"], "activeDeadlineSeconds": LEASE_SECONDS + renewed_after}  # type: ignore[dict-item]
    cluster.client.post(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs", body)


def await_nothing(cluster: Sandbox) -> None:
    """Until the garbage collector has done its work."""
    for _ in range(120):
        if not cluster.names():
            return
        time.sleep(0.25)
    raise AssertionError(cluster.names())


def of_run(run: str, uid: str = "00000000-0000-0000-0000-000000000000") -> dict[str, Json]:
    """Metadata of an object of a run, whose owner is gone unless its uid is given."""
    reference: Json = {"apiVersion": "batch/v1", "kind": "Job", "name": f"byok8s-{run}", "uid": uid}
    return {"labels": {**LABELS, "byok8s.io/run": run}, "ownerReferences": [reference]}


def uid(cluster: Sandbox, run: str) -> str:
    path = f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs/byok8s-{run}"
    return text(cluster.client.get(path), "metadata", "uid")


def config_map(cluster: Sandbox, name: str, **more: Json) -> None:
    body: dict[str, Json] = {"metadata": {"name": name, "labels": LABELS, **more}, "data": {"hidden": "x"}}
    cluster.client.post(f"/api/v1/namespaces/{cluster.namespace}/configmaps", body)


def without(rights: Iterable[Right], verb: str, resource: str) -> list[Right]:
    return [right for right in rights if (right.verb, right.resource) != (verb, resource)]


def test_a_killed_run_is_removed_when_it_is_named(cluster: Sandbox) -> None:
    run = killed(cluster)
    before = cluster.names()

    said = cluster.run("--dry-run", run, command="clean")
    assert f"{os.environ.get('USER', 'root')}@" in said
    assert f"To remove: {run}." in said
    said = cluster.run("--yes", command="clean")
    assert "  last heard of at most 1 min ago" in said
    assert f"May be alive, and stays: {run}. Name a run, or --all, to remove it." in said
    said = cluster.run(run, command="clean", expect=2)
    assert "there is no terminal to ask on" in said
    assert "--yes does it without asking" in said
    assert cluster.names() == before

    assert "Removed." in cluster.run("--yes", run, command="clean")
    assert cluster.names() == []
    assert "There is nothing of byok8s in namespace" in cluster.run("--yes", command="clean")
    assert f"There is nothing of run '{run}'" in cluster.run("--yes", run, command="clean", expect=2)


def test_a_living_run_goes_on(cluster: Sandbox) -> None:
    run = start(cluster, "sleep 12; touch {output}")
    cluster.run("--yes", command="clean")
    cluster.run("--all", "--dry-run", command="clean")
    cluster.run("--all", command="clean", expect=2)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert cluster.made() == ["out.txt"]


def test_a_living_run_that_is_named_is_removed(cluster: Sandbox) -> None:
    run = start(cluster, "sleep 300; touch {output}")
    (job,) = cluster.objects("jobs")
    name = text(job, "metadata", "name").removeprefix("byok8s-")
    cluster.run("--yes", name, command="clean")
    said, _ = run.communicate(timeout=120)
    assert run.returncode in {1, 130}, said  # by whether its pod or its Job was missed first
    await_nothing(cluster)


def test_the_dead_are_removed_and_the_living_stay(cluster: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after SILENCE_SECONDS, which nobody can wait for. One run has a lease that was renewed since."""
    run = killed(cluster)
    owner(cluster, "renewed", renewed_after=600)
    monkeypatch.setattr(leftovers, "SILENCE_SECONDS", 1)
    time.sleep(3)
    done = CliRunner().invoke(byok8s, ["clean", "-k", cluster.namespace, "--yes"])
    assert done.exit_code == 0, done.output
    assert f"To remove: {run}" in done.output
    assert cluster.names() == ["jobs/byok8s-renewed"]


def test_what_only_has_the_labels_is_left_alone(cluster: Sandbox) -> None:
    owner(cluster, "x")
    config_map(cluster, "of-x", **of_run("x", uid(cluster, "x")))
    config_map(cluster, "only-labels", labels={**LABELS, "byok8s.io/run": "x"})
    config_map(cluster, "without-a-run")
    job: dict[str, Json] = {**manifest.owner(Names("y"), "none:1", {})}
    job["spec"] = {**job["spec"], "parallelism": 1}  # type: ignore[dict-item]
    cluster.client.post(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs", job)
    said = cluster.run("--all", "--yes", command="clean")
    assert "To remove: x." in said
    left = {"configmaps/only-labels", "configmaps/without-a-run", "jobs/byok8s-y"}
    for name in left:
        assert name in said
    assert {name for name in cluster.names() if not name.startswith("pods/")} == left


def test_a_user_with_the_printed_rights_can_clean(cluster: Sandbox) -> None:
    run = killed(cluster)
    cluster.run("--yes", run, command="clean", KUBECONFIG=user(cluster, RIGHTS + CLEAN_RIGHTS))
    assert cluster.names() == []


def test_where_nothing_but_pods_may_be_listed(cluster: Sandbox) -> None:
    """The rest is known by its name, or goes with its owner."""
    run = killed(cluster)
    account = user(cluster, RIGHTS)
    said = cluster.run("--yes", command="clean", KUBECONFIG=account)
    for resource in ("jobs", "secrets", "configmaps"):
        assert f"Missing right: list {resource}." in said
    assert "May be alive, and stays" in said
    cluster.run("--yes", run, command="clean", KUBECONFIG=account)
    await_nothing(cluster)


def test_where_secrets_may_not_be_listed(cluster: Sandbox) -> None:
    """That of a run goes with its Job."""
    owner(cluster, "x")
    secret: dict[str, Json] = {"metadata": {"name": "byok8s-x-1", **of_run("x", uid(cluster, "x"))}}
    cluster.client.post(f"/api/v1/namespaces/{cluster.namespace}/secrets", secret)
    account = user(cluster, without(RIGHTS + CLEAN_RIGHTS, "list", "secrets"))
    said = cluster.run("--yes", "x", command="clean", KUBECONFIG=account)
    assert "Missing right: list secrets." in said
    await_nothing(cluster)


def test_what_may_not_be_removed_is_named(cluster: Sandbox) -> None:
    owner(cluster, "x")
    config_map(cluster, "x", finalizers=["byok8s.io/test"], **of_run("x", uid(cluster, "x")))
    account = user(cluster, without(RIGHTS + CLEAN_RIGHTS, "delete", "configmaps"))
    said = cluster.run("--yes", "--all", command="clean", expect=3, KUBECONFIG=account)
    assert "Not everything could be removed." in said
    assert "configmaps x: missing right: delete configmaps." in said
    assert "byok8s rbac" in said
    assert cluster.names() == ["configmaps/x"]
    cluster.client.patch(
        f"/api/v1/namespaces/{cluster.namespace}/configmaps/x", {"metadata": {"finalizers": None}}
    )


def test_where_nothing_may_be_listed(cluster: Sandbox) -> None:
    account = user(cluster, [])
    said = cluster.run("--yes", command="clean", expect=3, KUBECONFIG=account)
    assert "is forbidden" in said


def test_a_namespace_that_is_not_there(cluster: Sandbox) -> None:
    cluster.namespace, kept = "no-such-namespace", cluster.namespace
    assert "no namespace 'no-such-namespace'" in cluster.run(command="clean", expect=3)
    cluster.namespace = kept


def test_a_pod_that_does_not_end_is_named(cluster: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    pods = f"/api/v1/namespaces/{cluster.namespace}/pods"
    owner(cluster, "x")
    metadata: dict[str, Json] = {
        "name": "held",
        "finalizers": ["byok8s.io/test"],
        **of_run("x", uid(cluster, "x")),
    }
    body: dict[str, Json] = {
        "metadata": metadata,
        "spec": {"nodeSelector": {"no": "such"}, "containers": [{"name": "c", "image": "none:1"}]},
    }
    cluster.client.post(pods, body)
    monkeypatch.setattr(clean, "PODS_END_SECONDS", 1.0)
    found = clean.find(None, cluster.namespace)
    with pytest.raises(ClusterError) as caught:
        clean.remove(found, found.runs)
    assert caught.value.where == "pods held: told to end, and still there after 1 s."
    cluster.client.patch(f"{pods}/held", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 0, 1), ("y\n", 0, 0), ("\x03", 130, 1)])
def test_on_a_terminal_it_asks(answer: str, code: int, left: int, cluster: Sandbox) -> None:
    owner(cluster, "old")
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        cluster.command("--all", command="clean"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env=cluster.environment,
    )
    os.close(theirs)
    asked = b""
    while b"Remove?" not in asked:
        asked += os.read(ours, 1000)
    for _ in range(12):
        os.write(ours, answer.encode())
        with contextlib.suppress(
            subprocess.TimeoutExpired
        ):  # Python can miss a signal that comes just before a read
            run.communicate(timeout=5)
            break
    os.close(ours)
    assert run.returncode == code
    assert len(cluster.names()) == left


def test_lists_come_page_by_page_and_without_what_objects_hold(
    cluster: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_client, "PAGE", 1)
    for name in "abc":
        config_map(cluster, name)
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    found = cluster.client.find(path, clean.SELECTOR)
    assert [(text(obj, "metadata", "name"), text(obj, "data", "hidden")) for obj in found] == [
        ("a", "x"),
        ("b", "x"),
        ("c", "x"),
    ]
    names = cluster.client.find(path, clean.SELECTOR, only_metadata=True)
    assert [text(obj, "metadata", "name") for obj in names] == ["a", "b", "c"]
    assert not any("data" in obj for obj in names)
