"""The objects: restricted, owned, labelled, and with no secret outside of the Secret."""

import base64
import json

import pytest

from byok8s.executor import manifest
from byok8s.executor.manifest import JobSpec, PodSettings, Resources
from byok8s.executor.names import Names
from byok8s.kube.json import Json, Object, get_in, items

NAMES = Names("20261122-193000-k3x9")
OWNER = manifest.owner_reference(NAMES, "uid-1")
ALL_RESOURCES = Resources(cores=2, mem_mb=1000, disk_mb=2000, runtime=10)
SETTINGS = PodSettings("image:1", 2, {"HOME": "/work/home"}, ["TOKEN"])


def pod(resources: Resources = ALL_RESOURCES) -> Object:
    return manifest.pod(NAMES, OWNER, SETTINGS, JobSpec("my_rule", "7", 1, ("--", "--cores", "2"), resources))


def objects() -> list[Object]:
    return [
        manifest.secret(NAMES, OWNER, {"TOKEN": "hidden-value"}),
        manifest.config_map(NAMES, OWNER, 0, {"worker.py": b"code"}),
        pod(),
    ]


def pod_specs() -> list[dict[str, Json]]:
    specs = [get_in(pod(), "spec"), get_in(manifest.owner(NAMES, "image:1", {}), "spec", "template", "spec")]
    return [spec for spec in specs if isinstance(spec, dict)]


@pytest.mark.parametrize("obj", objects(), ids=lambda obj: str(obj["kind"]))
def test_each_object_is_labelled_and_owned(obj: Object) -> None:
    assert get_in(obj, "metadata", "labels", "byok8s.io/run") == NAMES.run
    assert get_in(obj, "metadata", "labels", "app.kubernetes.io/managed-by") == "byok8s"
    assert get_in(obj, "metadata", "ownerReferences") == [OWNER]


@pytest.mark.parametrize("spec", pod_specs(), ids=["pod", "owner"])
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
    ("resources", "requests", "limits"),
    [
        (
            Resources(2, 1000, 2000, 10),
            {"cpu": "1900m", "memory": "1000M", "ephemeral-storage": "2000M"},
            {"cpu": "2", "memory": "1000M", "ephemeral-storage": "2000M"},
        ),
        (Resources(1), {"cpu": "950m", "memory": "1000M"}, {"cpu": "1", "memory": "1000M"}),
        (Resources(1, mem_mb=5), {"cpu": "950m", "memory": "256M"}, {"cpu": "1", "memory": "256M"}),
    ],
)
def test_resources(resources: Resources, requests: dict[str, Json], limits: dict[str, Json]) -> None:
    found = get_in(pod(resources), "spec", "containers", 0, "resources")
    assert found == {"requests": requests, "limits": limits}


def test_runtime_is_the_pods_deadline() -> None:
    assert get_in(pod(), "spec", "activeDeadlineSeconds") == 600
    assert get_in(pod(Resources(1)), "spec", "activeDeadlineSeconds") is None


@pytest.mark.parametrize("rule", ["a", "My_Rule", "_x_", "x" * 100, "ü"])
def test_pod_names_are_dns_labels_and_differ_by_job_and_attempt(rule: str) -> None:
    names = {NAMES.pod(rule, job, attempt) for job in ("1", "11") for attempt in (1, 2)}
    assert len(names) == 4
    for name in names:
        assert len(name) <= 63
        assert name.replace("-", "").isalnum()
        assert name == name.lower()
        assert not name.endswith("-")
        assert name.isascii()
