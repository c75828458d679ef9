"""Whether a node could take a pod."""

from collections.abc import Mapping

import pytest

from byok8s.kube.objects import Json, Object
from byok8s.pods.node_fit import may_grow, objection
from byok8s.pods.quantity import quantity, words


def node(labels: Mapping[str, str] = {}, taints: list[Json] | None = None, **more: Json) -> Object:
    return {
        "metadata": {"labels": {"kubernetes.io/hostname": "n1", **labels}},
        "spec": {"taints": taints or []},
        "status": {"allocatable": {"cpu": "1930m", "memory": "8Gi", "ephemeral-storage": "50G", **more}},
    }


def pod(
    selector: Mapping[str, Json] = {}, tolerations: list[Json] | None = None, gpu: int = 0, **requests: Json
) -> Object:
    requests |= {"nvidia.com/gpu": gpu} if gpu else {}
    return {
        "spec": {
            "nodeSelector": dict(selector),
            "tolerations": tolerations or [],
            "containers": [{"resources": {"requests": {"cpu": "950m", **requests}}}],
        }
    }


GPU_TAINT: Json = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
GPU_NODE = node({}, [GPU_TAINT], **{"nvidia.com/gpu": "2"})


@pytest.mark.parametrize(
    ("wanted", "nodes", "said"),
    [
        (pod(), [node()], ""),
        (pod(cpu="1930m", memory="8192Mi"), [node()], ""),
        (pod(cpu="2"), [node()], "it asks for 2 CPU and the largest node has 1.93 CPU"),
        (pod(cpu="2"), [node(), node(cpu="4")], ""),
        (pod(memory="10G"), [node()], "10 GB of memory and the largest node has 8.59 GB of memory"),
        (
            pod(gpu=1),
            [node()],
            "1 nvidia.com/gpu and the largest node has 0 nvidia.com/gpu",
        ),
        (pod(gpu=1), [GPU_NODE], "does not tolerate: gpu=yes:NoSchedule"),
        (pod(tolerations=[{"key": "gpu", "operator": "Exists"}]), [GPU_NODE], ""),
        (pod(tolerations=[{"key": "gpu", "value": "yes"}]), [GPU_NODE], ""),
        (pod(tolerations=[{"key": "gpu", "value": "no"}]), [GPU_NODE], "gpu=yes:NoSchedule"),
        (pod(tolerations=[{"operator": "Exists"}]), [GPU_NODE], ""),
        (pod(tolerations=[{"operator": "Exists", "effect": "NoExecute"}]), [GPU_NODE], "gpu=yes:NoSchedule"),
        (pod(), [node(taints=[{"key": "x", "effect": "PreferNoSchedule"}])], ""),
        (pod(), [node(taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])], ""),
        (pod({"disk": "ssd"}), [node()], "no node has the labels disk=ssd"),
        (pod({"disk": "ssd"}), [node({"disk": "ssd"})], ""),
        (
            pod(cpu="3", memory="9G"),
            [node(cpu="4"), node(memory="16Gi")],
            "no node has all that it asks for at once",
        ),
    ],
)
def test_objection(wanted: Object, nodes: list[Object], said: str) -> None:
    found = objection(wanted, nodes)
    assert said in found
    assert bool(said) == bool(found)


def test_a_cluster_whose_nodes_come_in_groups_may_grow() -> None:
    assert not may_grow([node()])
    assert may_grow([node(), node({"eks.amazonaws.com/nodegroup": "spot"})])
    assert may_grow([{"metadata": {"annotations": {"cluster.x-k8s.io/machine": "m"}}}])


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("950m", 0.95),
        ("2", 2),
        (2, 2),
        ("1G", 1e9),
        ("1Gi", 2**30),
        ("128974848", 128974848),
        ("1e3", 1000),
        ("5k", 5000),
    ],
)
def test_quantity(written: Json, amount: float) -> None:
    assert quantity(written) == pytest.approx(amount)


@pytest.mark.parametrize("written", ["", "x", "1 GB", "1GB", None])
def test_what_is_no_quantity(written: Json) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity(written)


def test_amounts_in_words() -> None:
    assert words("cpu", 1.93) == "1.93 CPU"
    assert words("memory", 99999999e6) == "100,000 GB of memory"
    assert words("ephemeral-storage", 5e9) == "5 GB of disk"
