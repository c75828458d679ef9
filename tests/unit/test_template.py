"""A user's pod template goes under ours: what we say counts, what we do not say is theirs."""

import json
from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.kube.objects import Json, Object, get_in, items
from byok8s.pods import manifest, template
from byok8s.pods.manifest import PodSettings, Shape, worker_plan
from byok8s.pods.names import Names

NAMES = Names("20261122-193000-k3x9")
TEMPLATE: dict[str, Json] = {
    "metadata": {"labels": {"team": "genomes", "byok8s.io/run": "stolen"}, "annotations": {"note": "x"}},
    "spec": {
        "nodeSelector": {"pool": "big"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "restartPolicy": "Always",
        "automountServiceAccountToken": True,
        "securityContext": {"runAsUser": 0, "supplementalGroups": [7]},
        "volumes": [{"name": "ref", "persistentVolumeClaim": {"claimName": "ref"}}],
        "containers": [
            {
                "name": "whatever",
                "env": [{"name": "THREADS_MAX", "value": "4"}, {"name": "HOME", "value": "/stolen"}],
                "volumeMounts": [{"name": "ref", "mountPath": "/ref"}],
                "resources": {"limits": {"nvidia.com/gpu": 1, "cpu": "99"}},
                "securityContext": {"privileged": True, "allowPrivilegeEscalation": True},
            }
        ],
    },
}


def pod(text: str) -> Object:
    settings = PodSettings("image:1", 1, {"HOME": "/work/home"}, [])
    plan = worker_plan(NAMES, Shape(2, 500, template=text), 0)
    return manifest.pod(NAMES, manifest.owner_reference(NAMES, "uid"), settings, plan)


def test_what_we_do_not_say_is_theirs() -> None:
    merged = pod(json.dumps(TEMPLATE))
    assert get_in(merged, "spec", "nodeSelector") == {"pool": "big"}
    assert get_in(merged, "spec", "tolerations") == [{"key": "gpu", "operator": "Exists"}]
    assert get_in(merged, "metadata", "labels", "team") == "genomes"
    assert get_in(merged, "metadata", "annotations", "note") == "x"
    (container,) = items(merged, "spec", "containers")
    assert get_in(container, "resources", "limits", "nvidia.com/gpu") == 1
    assert {"name": "THREADS_MAX", "value": "4"} in items(container, "env")
    assert {"name": "ref", "mountPath": "/ref"} in items(container, "volumeMounts")
    assert {"name": "ref", "persistentVolumeClaim": {"claimName": "ref"}} in items(merged, "spec", "volumes")


def test_what_we_say_counts() -> None:
    merged = pod(json.dumps(TEMPLATE))
    assert get_in(merged, "metadata", "labels", "byok8s.io/run") == NAMES.run
    assert get_in(merged, "spec", "restartPolicy") == "Never"
    assert get_in(merged, "spec", "automountServiceAccountToken") is False
    assert get_in(merged, "spec", "securityContext", "runAsUser") == 1000
    (container,) = items(merged, "spec", "containers")
    assert container["name"] == manifest.CONTAINER
    assert get_in(container, "resources", "limits", "cpu") == "2"
    assert get_in(container, "securityContext", "allowPrivilegeEscalation") is False
    assert {"name": "HOME", "value": "/work/home"} in items(container, "env")


def test_a_rules_template_over_the_runs() -> None:
    run: dict[str, Json] = {"spec": {"nodeSelector": {"pool": "small", "zone": "a"}}}
    rule: dict[str, Json] = {"spec": {"nodeSelector": {"pool": "big"}}}
    joined = json.loads(template.join(json.dumps(rule), json.dumps(run)))
    assert joined == {"spec": {"nodeSelector": {"pool": "big", "zone": "a"}}}
    assert template.join("", json.dumps(run)) == json.dumps(run)
    assert template.join(json.dumps(rule), "") == json.dumps(rule)


def test_the_same_content_is_the_same_shape(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("spec:\n  nodeSelector: {b: x, a: y}\n")
    (tmp_path / "b.json").write_text('{"spec": {"nodeSelector": {"a": "y", "b": "x"}}}')
    assert template.load(tmp_path / "a.yaml") == template.load(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [("nodeSelector: {a: b}\n", "has nodeSelector at its top"), ("- a\n", "holds a list")],
)
def test_what_is_no_pod(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(content)
    with pytest.raises(InputError) as caught:
        template.load(tmp_path / "t.yaml")
    assert words in caught.value.what
    with pytest.raises(InputError, match="no pod template"):
        template.load(tmp_path / "none.yaml")
