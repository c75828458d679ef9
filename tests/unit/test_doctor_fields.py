"""What byok8s doctor makes of what the cluster and the bucket have answered."""

import pytest

from byok8s.access.rights import HELPFUL_RIGHTS, RIGHTS, STREAM_RIGHTS, Right
from byok8s.doctor import bucket, clock, local_checks, namespace, nodes, rights
from byok8s.doctor.check import Check, CheckStatus, any_failed, of_error
from byok8s.errors import ClusterError
from byok8s.kube import ApiError, Object
from byok8s.kube.objects import Json
from byok8s.pods.manifest import PodSettings, Shape, owner_reference, pod, worker_plan
from byok8s.pods.names import Names

NAMES = Names("x")
OK, WARNING, FAILED, SKIPPED = CheckStatus
ALL = (*RIGHTS, *STREAM_RIGHTS, *HELPFUL_RIGHTS)


def a_pod(said: str = "") -> Object:
    settings = PodSettings("image", 1, {}, ())
    plan = worker_plan(NAMES, Shape(1, said=said), 0)
    return pod(NAMES, owner_reference(NAMES, "uid"), settings, plan)


def a_node(name: str = "n1", ready: str = "True", arch: str = "amd64", **spec: Json) -> dict[str, Json]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/arch": arch}},
        "spec": spec,
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"cpu": "2", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "110"},
            "nodeInfo": {"architecture": arch},
        },
    }


def of(checks: list[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.name == name]
    return found


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        (0, OK, "this machine's clock and S3's agree"),
        (-4.9, OK, "agree"),
        (40, WARNING, "this machine's clock is 40 s ahead of S3's"),
        (-600, WARNING, "this machine's clock is 10 min behind S3's"),
        (900, FAILED, "15 min ahead of S3's: S3 refuses 15 minutes"),
        (-86400, FAILED, "1440 min behind"),
    ],
)
def test_a_clock_that_s3_refuses_fails_a_run(ahead: float, status: CheckStatus, words: str) -> None:
    check = clock.of_s3(ahead, "this machine's clock", "Set this machine's clock")
    assert check.status is status
    assert words in check.seen
    assert bool(check.fix) is (status is not OK)


@pytest.mark.parametrize(("ahead", "status"), [(3, OK), (30, WARNING), (86400, WARNING)])
def test_a_run_works_by_the_clock_of_the_api(ahead: float, status: CheckStatus) -> None:
    assert clock.of_api(ahead).status is status


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("v1.20.2", OK),
        ("v1.36.2", OK),
        ("v1.31.4-gke.1183000", OK),
        ("v2.0.0", OK),
        ("v1.19.16", WARNING),
        ("", OK),
    ],
)
def test_an_older_kubernetes_than_was_ever_tried_is_said(version: str, status: CheckStatus) -> None:
    assert local_checks.kubernetes(version).status is status


@pytest.mark.parametrize(("seconds", "status"), [(0.01, OK), (0.99, OK), (1.2, WARNING)])
def test_an_api_that_is_slow(seconds: float, status: CheckStatus) -> None:
    check = local_checks.speed(seconds)
    assert check.status is status
    assert f"{seconds * 1000:.0f} ms" in check.seen


def test_all_rights_are_there() -> None:
    checks = rights.checks(dict.fromkeys(ALL, True), "lab")
    assert {check.status for check in checks} == {OK}
    assert len(checks) == len(ALL)
    assert {check.name for check in checks} == set(rights.NAMES)


@pytest.mark.parametrize("missing", ALL, ids=lambda right: f"{right.verb} {right.group_resource}")
def test_a_right_that_is_missing_says_what_is_lost(missing: Right) -> None:
    checks = rights.checks({right: right != missing for right in ALL}, "lab")
    (found,) = [check for check in checks if check.status is not OK]
    assert found.status is (FAILED if missing in RIGHTS else WARNING)
    assert found.name == missing.group_resource
    assert missing.verb in found.seen
    assert missing.purpose in found.seen
    assert "byok8s rbac -k lab" in found.fix
    assert ("a pod of its own" in found.seen) is (missing in STREAM_RIGHTS)


def quota(hard: dict[str, Json], used: dict[str, Json], **spec: Json) -> Object:
    return {"metadata": {"name": "q"}, "spec": spec, "status": {"hard": hard, "used": used}}


@pytest.mark.parametrize(
    ("quotas", "status", "words"),
    [
        ([], OK, "none"),
        ([quota({"pods": "10"}, {"pods": "3"})], OK, "pods: 3 of 10 used"),
        ([quota({"pods": "3"}, {"pods": "3"})], FAILED, "pods 3 of 3 used (quota q)"),
        ([quota({"pods": "3"}, {"pods": "2"})], OK, "pods: 2 of 3 used"),
        ([quota({"count/pods": "0"}, {})], FAILED, "count/pods 0 of 0 used"),
        ([quota({"requests.cpu": "1"}, {"requests.cpu": "100m"})], FAILED, "requests.cpu 100m of 1 used"),
        ([quota({"requests.cpu": "1050m"}, {"requests.cpu": "100m"})], OK, "requests.cpu"),
        (
            [quota({"limits.memory": "1Gi"}, {"limits.memory": "100Mi"})],
            FAILED,
            "limits.memory 100Mi of 1Gi used",
        ),
        ([quota({"memory": "1G"}, {"memory": "0"})], OK, "memory: 0 of 1G used"),
        ([quota({"secrets": "5"}, {"secrets": "5"})], FAILED, "secrets 5 of 5 used"),
        ([quota({"configmaps": "5"}, {"configmaps": "3"})], FAILED, "configmaps 3 of 5 used"),
        ([quota({"count/jobs.batch": "1"}, {"count/jobs.batch": "1"})], FAILED, "count/jobs.batch 1 of 1"),
        ([quota({"services": "0"}, {})], OK, "services: 0 of 0 used"),
        ([quota({"pods": "0"}, {}, scopes=["Terminating"])], OK, "none"),
        ([quota({"pods": "0"}, {}, scopes=["BestEffort"])], OK, "none"),
        ([quota({"pods": "0"}, {}, scopes=["NotTerminating"])], FAILED, "pods 0 of 0 used"),
        ([quota({"pods": "0"}, {}, scopeSelector={"matchExpressions": [{}]})], OK, "none"),
    ],
)
def test_a_quota_has_room_for_a_pod_or_has_not(quotas: list[Object], status: CheckStatus, words: str) -> None:
    check = namespace.room(quotas, namespace.wants(a_pod(), config_maps=3))
    assert check.status is status
    assert words in check.seen


def test_a_limit_range_in_words() -> None:
    limits: Json = [{"type": "Container", "max": {"cpu": "2", "memory": "4G"}, "min": {"cpu": "100m"}}]
    check = namespace.limits([{"spec": {"limits": limits}}])
    assert check.seen == "Container at most 2 CPU, 4 GB of memory; Container at least 0.1 CPU"
    assert namespace.limits([]).seen == "none"


def test_a_namespace_that_is_being_deleted() -> None:
    going: Object = {"metadata": {"name": "lab"}, "status": {"phase": "Terminating"}}
    assert namespace.phase(going).status is FAILED
    assert namespace.phase({"metadata": {"name": "lab"}, "status": {"phase": "Active"}}).status is OK


@pytest.mark.parametrize("profile", ["", "baseline", "restricted"])
def test_pod_security_is_kept_whatever_is_enforced(profile: str) -> None:
    labels: Json = {namespace.ENFORCE: profile} if profile else {}
    check = namespace.pod_security({"metadata": {"labels": labels}})
    assert check.status is OK
    assert check.seen.startswith(f"{profile} is enforced" if profile else "no profile")


@pytest.mark.parametrize(
    ("code", "message", "status", "fix"),
    [
        (
            403,
            'pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged',
            FAILED,
            "admission",
        ),
        (
            403,
            'pods "x" is forbidden: maximum cpu usage per Container is 500m, but limit is 1',
            FAILED,
            "quota",
        ),
        (422, 'Pod "x" is invalid: spec.tolerations[0].operator: Invalid value', FAILED, "pod-invalid"),
        (403, 'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1', SKIPPED, ""),
        (400, 'admission webhook "w" does not support dry run', SKIPPED, ""),
    ],
)
def test_what_the_cluster_says_to_a_pod_that_is_tried(
    code: int, message: str, status: CheckStatus, fix: str
) -> None:
    check = namespace.admission(ApiError("POST pods", code, "Forbidden", message))
    assert check.status is status
    assert check.fix == (f"byok8s explain {fix}" if fix else "")


GPU: Json = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
TAINT: Json = [GPU]
NOT_READY: Json = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}, GPU]
OLD: Json = [{"key": "old", "effect": "NoSchedule"}, GPU]


def test_nodes_that_are_well() -> None:
    found = nodes.checks([a_node()], a_pod())
    assert [check.name for check in found] == list(nodes.NAMES)
    assert {check.status for check in found} == {OK}
    assert of(found, "allocatable").seen == "at most 2 CPU, 8.59 GB of memory, 107 GB of disk on one node"
    assert of(found, "architecture").seen == "amd64 (1 of 1 nodes)"


@pytest.mark.parametrize(
    ("found", "status", "fix"),
    [
        ([a_node(ready="False")], FAILED, "kubectl describe node n1"),
        ([a_node(), a_node("n2", ready="Unknown")], WARNING, "kubectl describe node n2"),
        ([a_node(), a_node("n2", unschedulable=True)], WARNING, "kubectl uncordon n2"),
        ([a_node(unschedulable=True)], FAILED, "kubectl uncordon n1"),
    ],
)
def test_nodes_that_are_away(found: list[Object], status: CheckStatus, fix: str) -> None:
    check = of(nodes.checks(found, a_pod()), "ready")
    assert (check.status, check.fix) == (status, fix)


@pytest.mark.parametrize(
    ("found", "said", "status", "fix"),
    [
        ([a_node(taints=TAINT)], "", FAILED, "--pod tolerations=gpu=yes:NoSchedule"),
        ([a_node(), a_node("n2", taints=TAINT)], "", OK, ""),
        ([a_node()], '{"spec": {"nodeSelector": {"disk": "ssd"}}}', FAILED, "Fix --pod node_selector"),
        ([a_node()], '{"spec": {"nodeSelector": {"taint": "tainted"}}}', FAILED, "Fix --pod node_selector"),
        (
            [a_node(taints=NOT_READY)],
            "",
            FAILED,
            "--pod tolerations=gpu=yes:NoSchedule",
        ),
        (
            [a_node(taints=OLD)],
            '{"spec": {"tolerations": [{"key": "old", "operator": "Exists"}]}}',
            FAILED,
            "--pod tolerations=gpu=yes:NoSchedule",
        ),
    ],
)
def test_a_pod_that_no_node_takes(found: list[Object], said: str, status: CheckStatus, fix: str) -> None:
    check = of(nodes.checks(found, a_pod(said)), "taints")
    assert check.status is status
    assert check.fix.startswith(fix)
    assert bool(check.fix) is bool(fix)


def test_a_cluster_that_may_grow_a_node_may_still_take_it() -> None:
    node = a_node(taints=TAINT) | {"metadata": {"name": "n", "labels": {"eks.amazonaws.com/nodegroup": "g"}}}
    check = of(nodes.checks([node], a_pod()), "taints")
    assert check.status is WARNING
    assert "may grow" in check.seen


def test_architectures_that_differ_are_said() -> None:
    check = nodes.architecture([a_node(), a_node("n2"), a_node("n3", arch="arm64")])
    assert check.status is WARNING
    assert "amd64 (2 of 3 nodes), arm64 (1 of 3 nodes)" in check.seen
    assert check.fix == "--pod node_selector=kubernetes.io/arch=amd64"


def test_gpus_are_counted() -> None:
    node = a_node()
    assert isinstance(node["status"], dict)
    node["status"]["allocatable"] = {"cpu": "2", "hugepages-2Mi": "4", "nvidia.com/gpu": "4"}
    assert of(nodes.checks([node, node], a_pod()), "GPUs").seen == "8 nvidia.com/gpu"


def test_no_node_at_all() -> None:
    found = nodes.checks([], a_pod())
    assert [check.status for check in found] == [WARNING, *[SKIPPED] * (len(nodes.NAMES) - 1)]


@pytest.mark.parametrize(
    ("tried", "statuses"),
    [
        ({"put": "", "get": "", "multipart": "", "delete": ""}, [OK, OK, OK, OK]),
        ({"put": "AccessDenied: no"}, [FAILED, SKIPPED, SKIPPED, SKIPPED]),
        ({"put": "", "get": "AccessDenied: no", "multipart": "", "delete": ""}, [OK, FAILED, OK, OK]),
        ({"put": "", "get": "", "multipart": "NotImplemented", "delete": ""}, [OK, OK, FAILED, OK]),
        ({"put": "", "get": "", "multipart": "", "delete": "AccessDenied"}, [OK, OK, OK, FAILED]),
    ],
)
def test_what_s3_does_with_an_object(tried: dict[str, str], statuses: list[CheckStatus]) -> None:
    checks = bucket.operations(tried, "s3://b/k")
    assert [check.status for check in checks] == statuses
    for check in checks:
        assert ("s3:" in check.fix) is (check.status is FAILED)
    assert ("It stays there: s3://b/k" in checks[-1].seen) is (statuses[-1] is FAILED)


def test_without_a_bucket_nothing_of_it_is_looked_at() -> None:
    found = bucket.look(None, "key")
    assert not found.usable
    assert not any_failed(found.checks)
    assert {check.seen for check in found.checks} == {bucket.NO_BUCKET}


def test_an_error_becomes_a_check() -> None:
    check = of_error("API", ClusterError("It is away.", where="At x.", hint="Wait."))
    assert check == Check("API", FAILED, "It is away. At x.", "Wait.")
