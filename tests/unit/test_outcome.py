"""A pod's status, and what is said of it."""

import json

import pytest

from byok8s.errors import Byok8sError
from byok8s.kube import ApiError, Unreachable
from byok8s.kube.objects import Json
from byok8s.pods.cause import Cause, FailureKind
from byok8s.pods.log_excerpt import LogExcerpt
from byok8s.pods.outcome import GONE, Outcome, State, of_result, outcome, recall, refused
from byok8s.worker.protocol import Result


def pod(phase: str, container: dict[str, Json] | None = None, **status: Json) -> dict[str, Json]:
    states: list[Json] = [{"state": container}] if container else []
    resources: Json = {"limits": {"memory": "256M"}}
    return {
        "spec": {
            "nodeName": "node-1",
            "activeDeadlineSeconds": 120,
            "containers": [{"image": "x/y:1", "resources": resources}],
        },
        "status": {"phase": phase, "containerStatuses": states, **status},
    }


def terminated(code: int, reason: str = "Error", message: str = "") -> dict[str, Json]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, Json]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def waiting(reason: str, message: str = "") -> dict[str, Json]:
    return {"waiting": {"reason": reason, "message": message}}


def disrupted(reason: str, message: str, phase: str = "Failed") -> dict[str, Json]:
    return pod(phase, terminated(143), conditions=[condition("DisruptionTarget", "True", reason, message)])


DELETED: dict[str, Json] = {"metadata": {"deletionTimestamp": "2026-11-22T20:00:00Z"}}
WORD = json.dumps({"why": "exit code 3", "last_lines": "one\ntwo", "cause": "exit-code"})
OOM_WORD = json.dumps({"why": "out of memory: used 256 MB of 256 MB", "cause": "out-of-memory"})
OLD_WORD = json.dumps({"why": "exit code 3", "last_lines": "one", "cause": "of a later version"})
NOT_FOUND = 'failed to resolve reference "x/y:1": x/y:1: not found'
BACK_OFF = 'Back-off pulling image "x/y:1"'
SHUTDOWN = "Pod was terminated in response to imminent node shutdown."

# Where no source is named, it was seen on the rig (Kubernetes 1.20.2), or the job's end is the worker's
STATUSES = [
    (pod("Running"), State.RUNNING, None, ""),
    (pod("Succeeded", terminated(0, "Completed")), State.SUCCEEDED, None, ""),
    (pod("Failed", terminated(3, message=WORD)), State.FAILED, Cause.EXIT_CODE, "exit code 3"),
    (pod("Failed", terminated(3, message=OLD_WORD)), State.FAILED, Cause.EXIT_CODE, "exit code 3"),
    (pod("Failed", terminated(137)), State.FAILED, Cause.EXIT_CODE, "exit code 137"),
    (pod("Failed", terminated(137, "OOMKilled")), State.FAILED, Cause.OUT_OF_MEMORY, "limit of 256M"),
    (
        pod("Failed", terminated(137, "OOMKilled", OOM_WORD)),
        State.FAILED,
        Cause.OUT_OF_MEMORY,
        "used 256 MB of 256 MB",
    ),
    (
        pod("Failed", reason="DeadlineExceeded", message="Pod was active on the node longer than ..."),
        State.FAILED,
        Cause.DEADLINE,
        "runtime allows (2 min)",
    ),
    # Kubernetes 1.36.2, of a pod that used more disk than its limit, while its container ends
    (
        pod(
            "Failed",
            waiting("ContainerCreating"),
            reason="Evicted",
            message="Pod ephemeral local storage usage exceeds the total limit of containers 200M. ",
        ),
        State.FAILED,
        Cause.DISK_FULL,
        "exceeds the total limit of containers 200M",
    ),
    (
        pod("Failed", reason="Evicted", message="The node was low on resource: memory. "),
        State.FAILED,
        Cause.EVICTED,
        "its pod was evicted: Evicted: The node was low on resource: memory",
    ),
    (
        pod(
            "Failed",
            reason="Evicted",
            message="Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ",
        ),
        State.FAILED,
        Cause.DISK_FULL,
        "the total limit of containers 20Mi",
    ),
    # kubernetes/kubernetes pkg/kubelet/eviction/helpers.go
    (
        pod(
            "Failed",
            reason="Evicted",
            message='Container worker exceeded its local ephemeral storage limit "1G". ',
        ),
        State.FAILED,
        Cause.DISK_FULL,
        'storage limit "1G"',
    ),
    (
        pod("Failed", reason="Evicted", message='Usage of EmptyDir volume "work" exceeds the limit "1Gi". '),
        State.FAILED,
        Cause.DISK_FULL,
        'EmptyDir volume "work"',
    ),
    # kubernetes/kubernetes pkg/kubelet/preemption/preemption.go
    (
        pod("Failed", reason="Preempting", message="Preempted in order to admit critical pod"),
        State.FAILED,
        Cause.PREEMPTED,
        "Preempted in order to admit critical pod",
    ),
    # kubernetes/kubernetes pkg/kubelet/nodeshutdown/nodeshutdown_manager_linux.go; "Shutdown" is that of 1.20 and 1.21
    (pod("Failed", reason="Terminated", message=SHUTDOWN), State.FAILED, Cause.NODE_SHUTDOWN, "imminent"),
    (
        pod("Failed", reason="NodeShutdown", message="Pod was rejected as the node is shutting down."),
        State.FAILED,
        Cause.NODE_SHUTDOWN,
        "rejected",
    ),
    (
        pod("Failed", reason="Shutdown", message="Node is shutting, evicting pods"),
        State.FAILED,
        Cause.NODE_SHUTDOWN,
        "Node is shutting",
    ),
    # kubernetes/kubernetes pkg/util/node/node.go
    (
        pod("Running", reason="NodeLost", message="Node n which was running pod p is unresponsive"),
        State.RUNNING,
        Cause.NODE_LOST,
        "Node n which was running pod p is unresponsive",
    ),
    (
        pod(
            "Failed",
            reason="OutOfcpu",
            message="Pod Node didn't have enough resource: cpu, requested: 500000, used: 10, capacity: 2000",
        ),
        State.FAILED,
        Cause.NODE_REFUSED,
        "capacity: 2000",
    ),
    (
        pod("Failed", reason="NodeAffinity", message="Pod Predicate NodeAffinity failed"),
        State.FAILED,
        Cause.NODE_REFUSED,
        "Predicate NodeAffinity failed",
    ),
    (pod("Failed", reason="UnexpectedAdmissionError"), State.FAILED, Cause.NODE_REFUSED, "Unexpected"),
    (pod("Failed", reason="Strange", message="indeed"), State.FAILED, Cause.UNKNOWN, "Strange: indeed"),
    # kubernetes/kubernetes pkg/scheduler/framework/preemption, pkg/controller/tainteviction, pkg/controller/podgc,
    # pkg/registry/core/pod/storage/eviction.go
    (
        disrupted(
            "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"
        ),
        State.FAILED,
        Cause.PREEMPTED,
        "preempting to accommodate",
    ),
    (
        disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", "Running"),
        State.RUNNING,
        Cause.NODE_LOST,
        "NoExecute taint",
    ),
    (
        disrupted("DeletionByPodGC", "PodGC: node no longer exists") | DELETED,
        State.FAILED,
        Cause.NODE_LOST,
        "node no longer exists",
    ),
    (
        disrupted("EvictionByEvictionAPI", "Eviction API: evicting") | DELETED,
        State.FAILED,
        Cause.EVICTED,
        "Eviction API",
    ),
    (disrupted("TerminationByKubelet", SHUTDOWN, "Running"), State.RUNNING, Cause.NODE_SHUTDOWN, "imminent"),
    (
        disrupted("TerminationByKubelet", "The node was low on resource: memory. ", "Running"),
        State.RUNNING,
        Cause.EVICTED,
        "low on resource",
    ),
    # kubernetes/kubernetes pkg/controller/util/node/controller_utils.go, MarkPodsNotReady
    (
        pod("Running", conditions=[condition("Ready", "False"), condition("ContainersReady", "True")]),
        State.RUNNING,
        Cause.NODE_LOST,
        "nothing is heard from its node",
    ),
    (
        pod("Running", conditions=[condition("Ready", "False"), condition("ContainersReady", "False")]),
        State.RUNNING,
        None,
        "",
    ),
    (pod("Failed"), State.FAILED, Cause.WORKER_LOST, "no exit code"),
    # kubernetes/kubernetes pkg/kubelet/kubelet_pods.go
    (
        pod(
            "Failed",
            terminated(
                137,
                "ContainerStatusUnknown",
                "The container could not be located when the pod was terminated",
            ),
        ),
        State.FAILED,
        Cause.WORKER_LOST,
        "could not be located",
    ),
    (
        pod("Failed", terminated(128, "StartError", 'exec: "nothere": executable file not found in $PATH')),
        State.FAILED,
        Cause.CONTAINER_CANNOT_START,
        'its container cannot start: StartError: exec: "nothere"',
    ),
    (pod("Pending"), State.WAITING, None, ""),
    (
        pod(
            "Pending",
            conditions=[
                condition(
                    "PodScheduled",
                    "False",
                    "Unschedulable",
                    "0/1 nodes are available: 1 Insufficient cpu.",
                )
            ],
        ),
        State.UNPLACED,
        Cause.UNSCHEDULABLE,
        "no node takes it yet: 0/1 nodes are available: 1 Insufficient cpu.",
    ),
    (pod("Pending", waiting("ContainerCreating")), State.WAITING, None, ""),
    (
        pod("Pending", waiting("ErrImagePull", NOT_FOUND)),
        State.WAITING,
        Cause.IMAGE_NOT_FOUND,
        "its image x/y:1",
    ),
    (
        pod("Pending", waiting("ImagePullBackOff", BACK_OFF)),
        State.STUCK,
        Cause.IMAGE_NOT_PULLED,
        "its image x/y:1",
    ),
    (
        pod("Pending", waiting("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: {NOT_FOUND}")),
        State.STUCK,
        Cause.IMAGE_NOT_FOUND,
        "no image of this name",
    ),
    (
        pod("Pending", waiting("InvalidImageName", "couldn't parse")),
        State.STUCK,
        Cause.IMAGE_INVALID,
        "x/y:1 is no name of an image",
    ),
    (
        pod("Pending", waiting("CreateContainerConfigError", 'secret "nope" not found')),
        State.STUCK,
        Cause.CONTAINER_CANNOT_START,
        'its container cannot start: CreateContainerConfigError: secret "nope" not found',
    ),
    (pod("Failed", terminated(143)) | DELETED, State.FAILED, Cause.POD_DELETED, "its pod was deleted"),
    ({}, State.WAITING, None, ""),
]


@pytest.mark.parametrize(("status", "state", "cause", "why"), STATUSES)
def test_outcome(status: dict[str, Json], state: State, cause: Cause | None, why: str) -> None:
    found = outcome(status)
    assert found.state is state
    assert found.cause is cause
    assert why in found.why
    assert bool(why) == bool(found.why)


def test_the_text_of_a_failed_pull_is_kept_while_the_kubelet_backs_off() -> None:
    pull, back_off = waiting("ErrImagePull", NOT_FOUND), waiting("ImagePullBackOff", BACK_OFF)
    first = recall(None, outcome(pod("Pending", pull)))
    second = recall(first, outcome(pod("Pending", back_off)))
    assert (second.state, second.cause, second.why) == (State.STUCK, Cause.IMAGE_NOT_FOUND, first.why)
    assert recall(second, outcome(pod("Pending", back_off))) == second
    assert recall(None, outcome(pod("Pending", back_off))).cause is Cause.IMAGE_NOT_PULLED


def test_a_pod_that_is_gone_was_ended_by_what_its_last_status_says() -> None:
    running = outcome(disrupted("PreemptionByScheduler", "preempting", "Running"))
    gone = recall(running, GONE)
    assert (gone.state, gone.cause, gone.node) == (State.FAILED, Cause.PREEMPTED, "node-1")
    assert recall(outcome(pod("Running")), GONE) is GONE
    assert recall(None, GONE) is GONE


@pytest.mark.parametrize(
    ("result", "state", "cause"),
    [
        (Result(0), State.SUCCEEDED, None),
        (Result(3, "exit code 3", "last", "exit-code"), State.FAILED, Cause.EXIT_CODE),
        (Result(1, "why", "last", "of a later version"), State.FAILED, None),
    ],
)
def test_the_result_of_a_worker(result: Result, state: State, cause: Cause | None) -> None:
    assert of_result(result, "n") == Outcome(
        state, result.why, result.last_lines, "n", cause=cause, exit=result.code
    )


# Where no source is named, the API server of the rig (Kubernetes 1.20.2) answered so
REFUSALS = [
    (
        403,
        'pods "a" is forbidden: exceeded quota: q, requested: requests.cpu=3, used: requests.cpu=0, '
        "limited: requests.cpu=1",
        Cause.QUOTA,
    ),
    (403, 'pods "a" is forbidden: failed quota: q: must specify requests.cpu', Cause.QUOTA),
    # kubernetes.io/docs/tasks/administer-cluster/manage-resources/cpu-constraint-namespace
    (
        403,
        'pods "constraints-cpu-demo-2" is forbidden: maximum cpu usage per Container is 800m, but limit is 1500m.',
        Cause.QUOTA,
    ),
    # rancher/k3k#294
    (
        403,
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged (container "x" must not set '
        "securityContext.privileged=true)",
        Cause.ADMISSION,
    ),
    # kubernetes/kubernetes staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go
    (
        403,
        'admission webhook "validation.gatekeeper.sh" denied the request: [owner] exceeded quota',
        Cause.ADMISSION,
    ),
    (400, 'admission webhook "policy.example.com" denied the request without explanation', Cause.ADMISSION),
    # open-policy-agent/gatekeeper#3538
    (
        500,
        'Internal error occurred: failed calling webhook "check-ignore-label.gatekeeper.sh": failed to call webhook: '
        "Post ...: dial tcp 10.112.0.99:8443: i/o timeout",
        Cause.API_ERROR,
    ),
    (
        403,
        'pods is forbidden: User "nobody" cannot create resource "pods" in API group "" in the namespace "x"',
        Cause.FORBIDDEN,
    ),
    (404, 'namespaces "x" not found', Cause.FORBIDDEN),
    (401, "Unauthorized", Cause.FORBIDDEN),
    (
        400,
        'Pod in version "v1" cannot be handled as a Pod: ... quantities must match the regular expression',
        Cause.POD_INVALID,
    ),
    (422, 'Pod "a" is invalid: spec.containers[0].image: Required value', Cause.POD_INVALID),
    (500, "etcdserver: request timed out", Cause.API_ERROR),
    (403, "because I say so", Cause.ADMISSION),
]


@pytest.mark.parametrize(("code", "message", "cause"), REFUSALS)
def test_a_pod_that_is_refused(code: int, message: str, cause: Cause) -> None:
    found = refused(ApiError("POST pods", code, "", message))
    assert (found.state, found.cause) == (State.FAILED, cause)
    assert message.rstrip(".") in found.why


def test_an_api_that_stays_away_is_its_own_fault() -> None:
    error: Byok8sError = Unreachable("The Kubernetes API cannot be reached.")
    assert refused(error).cause is Cause.API_ERROR


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_has_a_kind(cause: Cause) -> None:
    assert cause.kind in FailureKind


def test_the_words_end_with_where_to_read_more() -> None:
    found = Outcome(State.FAILED, "why", "one\ntwo", "n", cause=Cause.DNS)
    assert found.words("p", None, "sort-1").splitlines() == [
        "Failed: why (pod p on node n).",
        "Last lines of its output:",
        "    one",
        "    two",
        "More: byok8s logs sort-1",
        "What to do: byok8s explain dns",
    ]


def test_the_rules_own_log_counts_over_the_last_lines() -> None:
    said = LogExcerpt("logs/a.log", ["reason", *(f"line {number}" for number in range(15))])
    words = Outcome(State.FAILED, "why", "output").words("p", said, "").splitlines()
    assert words[1:3] == ["Last lines of logs/a.log:", "    line 0"]
    assert words[-1] == "    line 14"


def test_the_workers_last_lines_come_with_the_status() -> None:
    assert outcome(pod("Failed", terminated(3, message=WORD))).last_lines == "one\ntwo"


@pytest.mark.parametrize("message", ["python: not found", '["x"]', '{"why": 1}'])
def test_a_message_that_is_not_the_workers_breaks_nothing(message: str) -> None:
    assert outcome(pod("Failed", terminated(127, message=message))).why == "exit code 127"


def test_only_a_container_that_has_run_has_a_log() -> None:
    assert outcome(pod("Failed", terminated(1))).has_log
    assert not outcome(pod("Failed", reason="Evicted")).has_log


def among_others(
    phase: str, ours: dict[str, Json], other: dict[str, Json], **status: Json
) -> dict[str, Json]:
    """A pod in which a mesh has put a container, which its status names first."""
    found = pod(phase, None, **status)
    found["spec"]["containers"] = [  # type: ignore[call-overload,index]
        {"name": "a-sidecar", "image": "mesh:1"},
        {"name": "worker", "image": "x/y:1", "resources": {"limits": {"memory": "64M"}}},
    ]
    found["status"]["containerStatuses"] = [  # type: ignore[call-overload,index]
        {"name": "a-sidecar", "state": other},
        {"name": "worker", "state": ours},
    ]
    return found


RUNS: dict[str, Json] = {"running": {}}


@pytest.mark.parametrize(
    ("found", "state", "lingers", "words"),
    [
        (among_others("Running", terminated(0, "Completed"), RUNS), State.SUCCEEDED, True, ""),
        (among_others("Running", terminated(3, message=WORD), RUNS), State.FAILED, True, "exit code 3"),
        (among_others("Running", terminated(137, "OOMKilled"), RUNS), State.FAILED, True, "limit of 64M"),
        (among_others("Running", RUNS, terminated(1)), State.RUNNING, False, ""),
        (among_others("Failed", terminated(0, "Completed"), terminated(1)), State.SUCCEEDED, False, ""),
        (among_others("Failed", terminated(3), terminated(0)), State.FAILED, False, "exit code 3"),
        (
            among_others("Pending", waiting("ImagePullBackOff", NOT_FOUND), waiting("PodInitializing")),
            State.STUCK,
            False,
            "its image x/y:1 cannot be pulled",
        ),
        (
            among_others(
                "Pending",
                waiting("PodInitializing"),
                waiting("PodInitializing"),
                initContainerStatuses=[
                    {"name": "init", "image": "mesh:2", "state": waiting("ImagePullBackOff", NOT_FOUND)}
                ],
            ),
            State.STUCK,
            False,
            "its image mesh:2 cannot be pulled",
        ),
        (
            among_others(
                "Failed",
                waiting("PodInitializing"),
                waiting("PodInitializing"),
                initContainerStatuses=[{"name": "init", "state": terminated(5)}],
            ),
            State.FAILED,
            False,
            "container init, which runs before it, ended with exit code 5",
        ),
    ],
)
def test_our_own_container_counts_whatever_else_is_in_the_pod(
    found: dict[str, Json], state: State, lingers: bool, words: str
) -> None:
    seen = outcome(found)
    assert (seen.state, seen.lingers) == (state, lingers)
    assert words in seen.why
