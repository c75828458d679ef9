"""What byok8s doctor makes of its pod: of what it tells, and of why it tells nothing."""

import json
import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from byok8s.dns.state import DnsKind, DnsState
from byok8s.doctor import dns, probe_checks
from byok8s.doctor.check import Check, CheckStatus
from byok8s.doctor.probe_pod import Probe, _seen
from byok8s.kube import Object
from byok8s.pods.outcome import Outcome, State, outcome
from byok8s.worker.probe import CLUSTER_NAME, OPERATIONS, Seen

OK, WARNING, FAILED, SKIPPED = CheckStatus
HERE = metadata.version("snakemake")
HOST = "minio.example.org"
WELL = Seen(
    python="3.11.2",
    snakemake=HERE,
    machine="x86_64",
    user=1000,
    free_mb=50_000,
    host=HOST,
    addresses={CLUSTER_NAME: "10.96.0.1", HOST: "192.0.2.7"},
    done=OPERATIONS,
    clock=1000.0,
    s3_clock=999.0,
)
NO_NAME = "Temporary failure in name resolution"
POD: Object = {"spec": {"nodeName": "n1"}}
RAN = Probe(Outcome(State.SUCCEEDED, node="n1"), POD, 1.5, seen=WELL)
IMAGE = "snakemake/snakemake:v9.27.1"


def of(probe: Probe, *, works_here: bool | None = True) -> dict[str, Check]:
    found = probe_checks.checks(probe, IMAGE, works_here)
    assert {check.name for check in found} == set(probe_checks.NAMES)
    return {check.name: check for check in found}


def of_seen(seen: Seen, *, works_here: bool | None = True) -> dict[str, Check]:
    return of(replace(RAN, seen=seen), works_here=works_here)


def with_status(found: dict[str, Check], status: CheckStatus) -> list[str]:
    return [name for name, check in found.items() if check.status is status]


@pytest.mark.parametrize(
    ("seen", "status", "words"), [("", OK, "can write"), ("Permission denied", CheckStatus.WARNING, "denied")]
)
def test_the_volume_of_a_claim(seen: str, status: CheckStatus, words: str) -> None:
    found = probe_checks.checks(replace(RAN, seen=replace(WELL, claim=seen)), IMAGE, True)
    (check,) = (check for check in found if check.name == "claim")
    assert check.status is status
    assert words in check.seen


def test_a_pod_that_finds_all_well() -> None:
    found = of(RAN)
    assert with_status(found, OK) == list(found)
    assert found["pod"].seen == "ran after 1.5 s on node n1 (x86_64)"


@pytest.mark.parametrize(
    ("change", "failed", "skipped", "words"),
    [
        ({"snakemake": ""}, "Snakemake", [], "the image has none"),
        ({"snakemake": "8.30.0"}, "Snakemake", [], "8.30.0 in the image"),
        ({"snakemake": "9.18.2"}, "Snakemake", [], "9.19 or newer"),
        ({"snakemake": "10.0.0"}, "Snakemake", [], "below 10"),
        (
            {"route": f"{HOST}:9000: Connection refused", "done": ()},
            "route",
            ["credentials", *OPERATIONS, "clock"],
            "Connection refused",
        ),
        (
            {"refused": {"list": "InvalidAccessKeyId: no such key", "put": "InvalidAccessKeyId"}, "done": ()},
            "credentials",
            [*OPERATIONS],
            "InvalidAccessKeyId: no such key",
        ),
        (
            {"refused": {"list": "Unable to locate credentials"}, "done": ()},
            "credentials",
            [*OPERATIONS],
            "Unable to locate credentials",
        ),
        ({"refused": {"list": "AccessDenied"}, "done": ("put", "get", "delete")}, "list", [], "AccessDenied"),
        ({"refused": {"put": "AccessDenied"}, "done": ("list",)}, "put", ["get", "delete"], "AccessDenied"),
        (
            {"refused": {"delete": "AccessDenied"}, "done": ("list", "put", "get")},
            "delete",
            [],
            "AccessDenied",
        ),
        (
            {"host": "", "refused": {"list": "No module named 'boto3'"}, "done": (), "s3_clock": None},
            "list",
            ["route", "credentials", "put", "get", "delete", "clock"],
            "no S3 client can be made in the pod: No module named 'boto3'",
        ),
        ({"clock": 5000.0}, "clock", [], "the clock of node n1 is 67 min ahead of S3's"),
        ({"s3_clock": None}, "", ["clock"], ""),
    ],
)
def test_one_thing_that_is_wrong(
    change: dict[str, object], failed: str, skipped: list[str], words: str
) -> None:
    found = of_seen(Seen(**{**vars(WELL), **change}))
    assert with_status(found, FAILED) == [failed] * bool(failed)
    assert set(with_status(found, SKIPPED)) == set(skipped)
    assert not failed or words in found[failed].seen
    assert not failed or found[failed].fix


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"snakemake": "9.99.0"}, "Snakemake"),
        ({"user": 0}, "user"),
        ({"free_mb": 500}, "disk"),
        ({"clock": 1100.0}, "clock"),
    ],
)
def test_a_warning_fails_no_run(change: dict[str, object], name: str) -> None:
    found = of_seen(Seen(**{**vars(WELL), **change}))
    assert with_status(found, WARNING) == [name]
    assert with_status(found, FAILED) == []


@pytest.mark.parametrize(
    ("works_here", "why"),
    [(None, "no bucket is named"), (False, "the bucket cannot be used from here either")],
)
def test_what_does_not_work_here_is_not_looked_at_there(works_here: bool | None, why: str) -> None:
    found = of_seen(replace(WELL, done=()), works_here=works_here)
    assert with_status(found, SKIPPED) == list(probe_checks.S3)
    assert {found[name].seen for name in probe_checks.S3} == {why}


def test_what_could_not_be_removed_is_said() -> None:
    check = of(replace(RAN, left="The API is away."))["pod"]
    assert check.status is WARNING
    assert "Left behind: The API is away." in check.seen
    assert check.fix == "byok8s clean"


def waiting(reason: str, message: str) -> Probe:
    pod: Object = {
        "spec": {"containers": [{"image": IMAGE}]},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}],
        },
    }
    return Probe(outcome(pod), pod)


def ended(message: str, reason: str = "StartError", code: int = 128) -> Probe:
    pod: Object = {
        "status": {
            "phase": "Failed",
            "containerStatuses": [
                {"state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}}
            ],
        },
    }
    return Probe(outcome(pod), pod)


UNSCHEDULED: Object = {
    "status": {
        "phase": "Pending",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "message": "0/1 nodes are available: 1 Insufficient cpu.",
            }
        ],
    }
}
# as runc 1.1 and containerd 1.6 say it
EXEC = 'failed to create containerd task: exec: "python": executable file not found in $PATH: unknown'
FORMAT = (
    "failed to create containerd task: runc create failed: exec /usr/bin/python: exec format error: unknown"
)
NO_MATCH = 'Failed to pull image "x": no match for platform in manifest: not found'


@pytest.mark.parametrize(
    ("probe", "failed", "words", "fix"),
    [
        (
            waiting("ImagePullBackOff", 'rpc error: code = NotFound desc = failed to pull "x": not found'),
            "image",
            "cannot be pulled",
            "byok8s explain image-not-found",
        ),
        (waiting("ErrImagePull", NO_MATCH), "image", "another architecture", "kubernetes.io/arch"),
        (ended(EXEC), "image", "has no python", "--image"),
        (ended(FORMAT), "image", "another architecture", "kubernetes.io/arch"),
        (
            replace(ended("", "Error", 1), log="exec /opt/venv/bin/python: exec format error"),
            "image",
            "another architecture",
            "kubernetes.io/arch",
        ),
        (
            replace(ended("", "Error", 1), log="SyntaxError: invalid syntax"),
            "pod",
            "exit code 1; SyntaxError: invalid syntax",
            "byok8s explain exit-code",
        ),
        (
            Probe(outcome(UNSCHEDULED), UNSCHEDULED),
            "pod",
            "1 Insufficient cpu",
            "byok8s explain unschedulable",
        ),
        (
            Probe(
                Outcome(State.WAITING),
                {},
                events=({"reason": "FailedMount", "message": 'secret "x" not found', "type": "Warning"},),
            ),
            "pod",
            'secret "x" not found',
            "byok8s explain volume",
        ),
        (Probe(Outcome(State.WAITING), {}), "pod", "it has not started", ""),
        (Probe(Outcome(State.RUNNING), {}), "pod", "it runs and does not end", ""),
        (Probe(Outcome(State.SUCCEEDED), {}), "pod", "something else ran in its place", ""),
    ],
)
def test_a_pod_that_tells_nothing(probe: Probe, failed: str, words: str, fix: str) -> None:
    found = of(probe)
    assert with_status(found, FAILED) == [failed]
    assert len(with_status(found, SKIPPED)) == len(probe_checks.NAMES) - 1
    assert words in found[failed].seen
    assert fix in found[failed].fix


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('Container image "x" already present on machine', "which the node had already"),
        ('Successfully pulled image "x" in 12.345678s', "pulled in 12.345678s"),
        # Kubernetes 1.27 and newer
        ('Successfully pulled image "x" in 824ms (1.2s including waiting)', "pulled in 824ms"),
        (
            'Successfully pulled image "x" in 1m2.5s (1m2.5s including waiting). Image size: 12 bytes.',
            "pulled in 1m2.5s",
        ),
    ],
)
def test_how_long_an_image_took(message: str, words: str) -> None:
    assert probe_checks.pulled([{"reason": "Scheduled"}, {"reason": "Pulled", "message": message}]) == words


def test_without_events_nobody_knows() -> None:
    assert probe_checks.pulled([]) == "there or pulled: no event says which"


def test_the_versions_that_jobs_need_are_those_of_the_package() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    (wanted,) = re.findall(r'"snakemake>=(\d+)\.(\d+),<(\d+)"', project)
    assert tuple(map(int, wanted)) == (*probe_checks.OLDEST_SNAKEMAKE, *probe_checks.NEXT_SNAKEMAKE)


def test_what_a_pod_leaves_is_read_and_what_another_leaves_is_not() -> None:
    def pod(message: str) -> Object:
        return {"status": {"containerStatuses": [{"state": {"terminated": {"message": message}}}]}}

    assert _seen(pod(json.dumps(vars(WELL) | {"done": list(OPERATIONS)}))) == replace(
        WELL, done=list(OPERATIONS)
    )
    for message in ("", "Killed", "[]", "{}", '{"python": "3"}', '{"why": "of a job"}'):
        assert _seen(pod(message)) is None


# -- DNS --

CORE = DnsState(DnsKind.COREDNS, ready=2, wanted=2, pods=("coredns-1",))
LOOPS = DnsState(DnsKind.COREDNS, ready=0, wanted=2, pods=("coredns-1",), looping=True, crashing=True)
GKE = DnsState(DnsKind.KUBE_DNS, ready=2, wanted=2, managed="GKE", instead="a stub domain")
ABSENT = DnsState(DnsKind.NONE)
UNSEEN = DnsState(DnsKind.UNSEEN)
BROKEN = replace(WELL, addresses={}, unresolved={CLUSTER_NAME: NO_NAME, HOST: NO_NAME})
SPARED = replace(
    BROKEN, host="192.0.2.7", addresses={"192.0.2.7": "192.0.2.7"}, unresolved={CLUSTER_NAME: NO_NAME}
)
UNKNOWN = replace(WELL, addresses={CLUSTER_NAME: "10.96.0.1"}, unresolved={HOST: "Name or service not known"})
FIX = "byok8s cluster fix-dns"


@pytest.mark.parametrize(
    ("state", "host", "seen", "here", "status", "words", "fix"),
    [
        (
            CORE,
            HOST,
            WELL,
            True,
            OK,
            f"{CLUSTER_NAME} is 10.96.0.1, {HOST} is 192.0.2.7; CoreDNS, 2 of 2",
            "",
        ),
        (UNSEEN, HOST, WELL, True, OK, "its pods are not for us to see", ""),
        (replace(CORE, ready=0), HOST, WELL, True, WARNING, "it answers", "kubectl describe pod"),
        (LOOPS, HOST, BROKEN, True, FAILED, "forwards names to itself", FIX),
        (LOOPS, HOST, BROKEN, False, FAILED, "DNS is broken in this cluster", FIX),
        (CORE, HOST, BROKEN, True, FAILED, f"DNS is broken in this cluster: {CLUSTER_NAME} does not", FIX),
        (UNSEEN, HOST, BROKEN, True, FAILED, NO_NAME, FIX),
        (ABSENT, HOST, BROKEN, True, FAILED, "no DNS", "Install CoreDNS"),
        (LOOPS, "192.0.2.7", SPARED, True, WARNING, "a run can work; jobs that ask", FIX),
        (ABSENT, "192.0.2.7", SPARED, True, WARNING, "a run can work; jobs that ask", "Install CoreDNS"),
        (CORE, HOST, UNKNOWN, False, OK, f"{HOST} is no host for it, nor for this machine", ""),
        (CORE, HOST, UNKNOWN, True, FAILED, "known to your network alone", FIX),
        (LOOPS, HOST, None, True, FAILED, "forwards names to itself", FIX),
        (LOOPS, "192.0.2.7", None, True, WARNING, "a run can work", FIX),
        (
            LOOPS,
            "",
            replace(BROKEN, host="", unresolved={CLUSTER_NAME: NO_NAME}),
            True,
            WARNING,
            "at an address",
            FIX,
        ),
        (GKE, HOST, UNKNOWN, True, FAILED, "known to your network alone", "managed by GKE: a stub domain"),
        (CORE, HOST, None, True, SKIPPED, "no pod has asked it; CoreDNS, 2 of 2 pods ready", ""),
        (UNSEEN, "", None, True, SKIPPED, "not for us to see", ""),
    ],
)
def test_dns_that_is_broken_is_told_from_a_host_that_is_none(
    state: DnsState, host: str, seen: Seen | None, here: bool, status: CheckStatus, words: str, fix: str
) -> None:
    check = dns.check(state, host, seen, lambda _: here)
    assert check.status is status
    assert words in check.seen
    assert fix in check.fix
    assert bool(check.fix) is bool(fix)
