"""What a run or a rule says of its pods in words, and what becomes of it in the pod."""

import json

import pytest

from byok8s.errors import InputError
from byok8s.kube.objects import Json, Object, get_in, items
from byok8s.pods import manifest
from byok8s.pods.manifest import CONTAINER, PodSettings, Shape, worker_plan
from byok8s.pods.names import Names
from byok8s.pods.pod_options import POD_OPTIONS, Value, parse, part_of_pod

NAMES = Names("20261122-193000-k3x9")


def container(**fields: Json) -> dict[str, Json]:
    return {"spec": {"containers": [{"name": CONTAINER, **fields}]}}


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        (
            "node_selector",
            "disktype=ssd, zone=a",
            {"spec": {"nodeSelector": {"disktype": "ssd", "zone": "a"}}},
        ),
        ("node_selector", "{disktype: ssd}", {"spec": {"nodeSelector": {"disktype": "ssd"}}}),
        (
            "tolerations",
            "gpu=yes:NoSchedule, spot",
            {
                "spec": {
                    "tolerations": [
                        {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
                        {"key": "spot", "operator": "Exists"},
                    ]
                }
            },
        ),
        ("tolerations", "[{operator: Exists}]", {"spec": {"tolerations": [{"operator": "Exists"}]}}),
        ("affinity", "{nodeAffinity: {}}", {"spec": {"affinity": {"nodeAffinity": {}}}}),
        ("priority_class", "low", {"spec": {"priorityClassName": "low"}}),
        ("runtime_class", "gvisor", {"spec": {"runtimeClassName": "gvisor"}}),
        ("service_account", "runner", {"spec": {"serviceAccountName": "runner"}}),
        ("image_pull_secrets", "a,b", {"spec": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}}),
        ("labels", "team=genomes", {"metadata": {"labels": {"team": "genomes"}}}),
        ("annotations", "{note: 'a=b, c'}", {"metadata": {"annotations": {"note": "a=b, c"}}}),
        ("container_image", "busybox:1", container(image="busybox:1")),
        ("image_pull_policy", "Always", container(imagePullPolicy="Always")),
        (
            "gpu",
            2,
            container(resources={"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}}),
        ),
        ("gpu", 0, {}),
        (
            "limits",
            "xilinx.com/fpga=1",
            container(resources={"limits": {"xilinx.com/fpga": "1"}, "requests": {"xilinx.com/fpga": "1"}}),
        ),
        (
            "persistent_volume_claims",
            "genomes:/ref:ro",
            {
                "spec": {
                    "volumes": [
                        {
                            "name": "claim-0",
                            "persistentVolumeClaim": {"claimName": "genomes", "readOnly": True},
                        }
                    ],
                    "containers": [
                        {
                            "name": CONTAINER,
                            "volumeMounts": [{"name": "claim-0", "mountPath": "/ref", "readOnly": True}],
                        }
                    ],
                }
            },
        ),
    ],
)
def test_a_word(word: str, value: Value, expected: Object) -> None:
    assert part_of_pod({word: value}) == expected


def test_every_word_is_tried_above() -> None:
    tried = {parameter[0] for parameter in test_a_word.pytestmark[0].args[1]}  # type: ignore[attr-defined]
    assert tried | {"gpu_manufacturer"} == POD_OPTIONS


def test_an_amd_gpu() -> None:
    limits = get_in(
        part_of_pod({"gpu": 1, "gpu_manufacturer": "amd"}), "spec", "containers", 0, "resources", "limits"
    )
    assert limits == {"amd.com/gpu": "1"}


@pytest.mark.parametrize(
    ("word", "value", "said"),
    [
        ("node_selector", "ssd", "KEY=VALUE"),
        ("node_selector", " ", "empty"),
        ("tolerations", "a:Never", "NoSchedule"),
        ("tolerations", "[{", "cannot be used"),
        ("affinity", "near", "YAML mapping"),
        ("image_pull_policy", "always", "IfNotPresent"),
        ("labels", "byok8s.io/run=x", "byok8s' own"),
        ("persistent_volume_claims", "genomes", "CLAIM:/PATH"),
        ("persistent_volume_claims", "genomes:/ref:rw", "CLAIM:/PATH"),
        ("gpu_manufacturer", "acme", "nvidia"),
        ("nodeselector", "a=b", "node_selector"),
    ],
)
def test_what_cannot_be_used_is_said(word: str, value: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        part_of_pod({"gpu": 1, word: value})


def test_words_of_a_run_may_be_written_as_in_a_pod() -> None:
    words = parse("{node_selector: {disktype: ssd}, tolerations: [{operator: Exists}], gpu: 1}")
    assert get_in(part_of_pod(words), "spec", "nodeSelector") == {"disktype": "ssd"}
    assert get_in(part_of_pod(words), "spec", "tolerations") == [{"operator": "Exists"}]


@pytest.mark.parametrize("said", ["[a]", "{", "word"])
def test_words_of_a_run_that_are_no_mapping(said: str) -> None:
    with pytest.raises(InputError):
        parse(said)


def test_words_count_over_ours_and_ours_over_the_template() -> None:
    said = json.dumps(part_of_pod({"image_pull_policy": "Always", "limits": "x.com/y=1"}))
    template = json.dumps(container(imagePullPolicy="Never", image="other"))
    plan = worker_plan(NAMES, Shape(1, said=said, template=template), 0)
    pod = manifest.pod(NAMES, {}, PodSettings("image:1", 1, {}, []), plan)
    (ours,) = items(pod, "spec", "containers")
    assert (ours["image"], ours["imagePullPolicy"]) == ("image:1", "Always")
    assert get_in(ours, "resources", "limits") == {"cpu": "1", "memory": "1000M", "x.com/y": "1"}
    assert get_in(pod, "metadata", "labels", "byok8s.io/run") == NAMES.run
