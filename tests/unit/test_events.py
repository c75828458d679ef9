"""Events of a pod, and what is made of them. Messages without a source were seen on the rig (Kubernetes 1.20.2)."""

import pytest

from byok8s.kube.objects import Object
from byok8s.pods import events
from byok8s.pods.cause import Cause

PULL = (
    'Failed to pull image "127.0.0.1:1/x/y:1": rpc error: code = Unknown desc = dial tcp: connection refused'
)


def event(reason: str, message: str = "", at: int = 0, sender: str = "kubelet") -> Object:
    return {
        "reason": reason,
        "message": message,
        "lastTimestamp": f"2026-11-22T22:00:{at:02}Z",
        "source": {"component": sender},
    }


@pytest.mark.parametrize(
    ("reason", "message", "cause", "why"),
    [
        (
            "FailedScheduling",
            "0/1 nodes are available: 1 Insufficient cpu.",
            Cause.UNSCHEDULABLE,
            "no node takes it yet: 0/1 nodes are available: 1 Insufficient cpu.",
        ),
        ("Failed", PULL, Cause.IMAGE_REGISTRY_UNREACHABLE, "its image 127.0.0.1:1/x/y:1 cannot be pulled"),
        ("Failed", "Error: ErrImagePull", None, ""),
        ("Failed", "Error: ImagePullBackOff", None, ""),
        ("BackOff", 'Back-off pulling image "x"', None, ""),
        (
            "ErrImageNeverPull",
            'Container image "x:1" is not present with pull policy of Never',
            Cause.IMAGE_NOT_FOUND,
            "its image x:1",
        ),
        ("Failed", 'Error: secret "nope" not found', Cause.CONTAINER_CANNOT_START, 'secret "nope" not found'),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "v" : secret "nope" not found',
            Cause.VOLUME,
            'secret "nope" not found',
        ),
        # vmware-archive/cloud-director-named-disk-csi-driver#245
        ("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1"', Cause.VOLUME, "Multi-Attach"),
        # k8snetworkplumbingwg/multus-cni#581
        (
            "FailedCreatePodSandBox",
            'Failed to create pod sandbox: networkPlugin cni failed to set up pod "samplepod_kube-system" network',
            Cause.POD_NETWORK,
            "networkPlugin cni failed",
        ),
        (
            "Evicted",
            "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ",
            Cause.DISK_FULL,
            "limit of containers 20Mi",
        ),
        # kubernetes/kubernetes pkg/kubelet/eviction/helpers.go
        ("Evicted", "The node was low on resource: memory. ", Cause.EVICTED, "low on resource: memory"),
        # kubernetes-sigs/karpenter pkg/controllers/node/termination/terminator/events/events.go
        ("Evicted", "Evicted pod: Forceful Termination", Cause.EVICTED, "Forceful Termination"),
        ("Disrupted", "Deleting the pod to accommodate the terminationTime", Cause.NODE_SHUTDOWN, "Deleting"),
        # kubernetes/kubernetes pkg/scheduler/framework/preemption/preemption.go
        ("Preempted", "Preempted by default/important on node node-1", Cause.PREEMPTED, "default/important"),
        # kubernetes/kubernetes pkg/controller/nodelifecycle and pkg/controller/tainteviction
        ("NodeNotReady", "Node is not ready", Cause.NODE_LOST, "Node is not ready"),
        ("TaintManagerEviction", "Marking for deletion Pod a/b", Cause.NODE_LOST, "Marking for deletion"),
        ("TaintManagerEviction", "Cancelling deletion of Pod a/b", None, ""),
        (
            "OutOfcpu",
            "Node didn't have enough resource: cpu, requested: 500000, used: 10, capacity: 2000",
            Cause.NODE_REFUSED,
            "capacity: 2000",
        ),
        ("OutOfnvidia.com/gpu", "Node didn't have enough resource", Cause.NODE_REFUSED, "OutOfnvidia"),
        ("NodeAffinity", "Predicate NodeAffinity failed", Cause.NODE_REFUSED, "Predicate"),
        (
            "DeadlineExceeded",
            "Pod was active on the node longer than the specified deadline",
            Cause.DEADLINE,
            "longer than",
        ),
        ("Pulling", 'Pulling image "x"', None, ""),
        ("", "", None, ""),
    ],
)
def test_one_event(reason: str, message: str, cause: Cause | None, why: str) -> None:
    found = events.read([event(reason, message)])
    assert found.cause is cause
    assert why in found.why
    assert bool(why) == bool(found.why)


FULL = event("FailedScheduling", "0/1 nodes: Insufficient cpu.", 1, "default-scheduler")
# kubernetes/autoscaler#5938, #3503; kubernetes-sigs/karpenter pkg/controllers/provisioning/scheduling/events.go
GROWS = event("TriggeredScaleUp", "pod triggered scale-up: [{g 1->2 (max: 8)}]", 2, "cluster-autoscaler")
STAYS = event(
    "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", 3, "cluster-autoscaler"
)
NOMINATED = event("Nominated", "Pod should schedule on: nodeclaim/default-x1", 2, "karpenter")
KARPENTER = event("FailedScheduling", "Failed to schedule pod, incompatible with nodepool", 3, "karpenter")


@pytest.mark.parametrize(
    ("of", "autoscaler"),
    [
        ([], None),
        ([FULL], None),
        ([FULL, GROWS], True),
        ([FULL, STAYS], False),
        ([STAYS, GROWS, FULL], False),  # the newest of them, whatever their order
        ([FULL, NOMINATED], True),
        ([FULL, NOMINATED, KARPENTER], False),
    ],
)
def test_whether_an_autoscaler_is_at_work(of: list[Object], autoscaler: bool | None) -> None:
    assert events.read(of).autoscaler is autoscaler


def test_what_is_over_is_not_told() -> None:
    scheduled = event("Scheduled", "Successfully assigned a/b to node-1", 5)
    assert events.read([FULL, scheduled]).cause is None
    assert events.read([FULL, scheduled, event("Failed", PULL, 6)]).cause is Cause.IMAGE_REGISTRY_UNREACHABLE
    assert events.read([event("Failed", PULL, 6), event("Pulled", "", 9)]).cause is None


def test_events_of_newer_senders_have_their_time_elsewhere() -> None:
    newer: Object = {
        "reason": "FailedScheduling",
        "message": "later",
        "lastTimestamp": None,
        "eventTime": "2026-11-22T22:00:07.123456Z",
        "reportingComponent": "default-scheduler",
    }
    assert events.read([newer, FULL]).why == "no node takes it yet: later"
    series: Object = {
        **FULL,
        "message": "latest",
        "series": {"lastObservedTime": "2026-11-22T22:00:09.000001Z"},
    }
    assert events.read([series, newer]).why == "no node takes it yet: latest"
