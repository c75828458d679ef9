"""The objects: restricted, owned, labelled, and with no secret outside of the Secret."""

import base64
import json

import pytest

from byok8s.kube.objects import Json, Object, get_in, items
from byok8s.pods import manifest
from byok8s.pods.manifest import PodSettings, Shape, Task, job_plan, worker_plan
from byok8s.pods.names import Names

NAMES = Names("20261122-193000-k3x9")
OWNER = manifest.owner_reference(NAMES, "uid-1")
ALL = Shape(cores=2, mem_mb=1000, disk_mb=2000)
SETTINGS = PodSettings("image:1", 2, {"HOME": "/work/home"}, ["TOKEN"])


def pod(shape: Shape = ALL, runtime: int | None = 10) -> Object:
    task = Task("7", "my_rule", shape, {"bucket": "b", "key": "p/o.json"}, "echo first", runtime)
    return manifest.pod(NAMES, OWNER, SETTINGS, job_plan(NAMES, task))


def worker(shape: Shape = ALL) -> Object:
    return manifest.pod(NAMES, OWNER, SETTINGS, worker_plan(NAMES, shape, 3))


def objects() -> list[Object]:
    return [
        manifest.secret(NAMES, OWNER, {"TOKEN": "hidden-value"}),
        manifest.config_map(NAMES, OWNER, 0, {"worker.py": b"code"}),
        pod(),
        worker(),
    ]


def pod_specs() -> list[dict[str, Json]]:
    owner = manifest.owner(NAMES, "image:1", {})
    specs = [get_in(pod(), "spec"), get_in(worker(), "spec"), get_in(owner, "spec", "template", "spec")]
    return [spec for spec in specs if isinstance(spec, dict)]


@pytest.mark.parametrize("obj", objects(), ids=lambda obj: str(obj["kind"]))
def test_each_object_is_labelled_and_owned(obj: Object) -> None:
    assert get_in(obj, "metadata", "labels", "byok8s.io/run") == NAMES.run
    assert get_in(obj, "metadata", "labels", "app.kubernetes.io/managed-by") == "byok8s"
    assert get_in(obj, "metadata", "ownerReferences") == [OWNER]


@pytest.mark.parametrize("spec", pod_specs(), ids=["pod", "worker", "owner"])
def test_pods_keep_the_restricted_profile(spec: dict[str, Json]) -> None:
    """Each rule of https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert get_in(spec, "securityContext", "runAsNonRoot") is True
    assert get_in(spec, "securityContext", "runAsUser") != 0
    assert get_in(spec, "securityContext", "seccompProfile", "type") == "RuntimeDefault"
    assert spec["automountServiceAccountToken"] is False
    for volume in items(spec, "volumes"):
        assert set(volume) - {"name"} <= {"projected", "emptyDir"}
    for container in items(spec, "containers"):
        assert get_in(container, "securityContext") == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert get_in(container, "resources", "limits", "memory")


def test_secret_values_are_in_the_secret_alone() -> None:
    secret, *others = objects()
    hidden = base64.b64encode(b"hidden-value").decode()
    assert hidden in json.dumps(secret)
    assert "hidden-value" not in json.dumps(others)
    assert hidden not in json.dumps(others)
    variables = items(pod(), "spec", "containers", 0, "env")
    reference: Json = {"secretKeyRef": {"name": NAMES.secret, "key": "TOKEN"}}
    assert {"name": "TOKEN", "valueFrom": reference} in variables


@pytest.mark.parametrize(
    ("shape", "requests", "limits"),
    [
        (
            ALL,
            {"cpu": "1900m", "memory": "1000M", "ephemeral-storage": "2000M"},
            {"cpu": "2", "memory": "1000M", "ephemeral-storage": "2000M"},
        ),
        (Shape(1), {"cpu": "950m", "memory": "1000M"}, {"cpu": "1", "memory": "1000M"}),
        (Shape(1, mem_mb=5), {"cpu": "950m", "memory": "256M"}, {"cpu": "1", "memory": "256M"}),
    ],
)
def test_resources(shape: Shape, requests: dict[str, Json], limits: dict[str, Json]) -> None:
    found = get_in(pod(shape), "spec", "containers", 0, "resources")
    assert found == {"requests": requests, "limits": limits}


def test_runtime_is_the_deadline_of_a_jobs_own_pod_alone() -> None:
    assert get_in(pod(), "spec", "activeDeadlineSeconds") == 600
    assert get_in(pod(runtime=None), "spec", "activeDeadlineSeconds") is None
    assert get_in(worker(), "spec", "activeDeadlineSeconds") is None


def test_what_the_worker_is_told() -> None:
    assert get_in(pod(), "spec", "containers", 0, "args") == ["one", "b", "p/o.json"]
    assert get_in(worker(), "spec", "containers", 0, "args") == ["serve"]


@pytest.mark.parametrize("rule", ["a", "My_Rule", "_x_", "x" * 100, "ü"])
def test_pod_names_are_dns_labels_and_differ(rule: str) -> None:
    names = {NAMES.job_pod(rule, task) for task in ("1", "11", "1-2", "3f2a91c4")} | {NAMES.worker_pod(1)}
    assert len(names) == 5
    for name in names:
        assert len(name) <= 63
        assert name.replace("-", "").isalnum()
        assert name == name.lower()
        assert not name.endswith("-")
        assert name.isascii()
