"""byok8s doctor on a real cluster: one thing broken on purpose, and the check that finds it; no other fails.

On the rig pods find no DNS, so DNS is a warning in all of these, but for those that bring one.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from account import user
from byok8s.access.rights import HELPFUL_RIGHTS, RIGHTS, STREAM_RIGHTS, Right
from byok8s.dns.state import DnsKind
from byok8s.doctor import bucket, nodes, probe_checks
from byok8s.kube.objects import Json, get_in, items, text
from byok8s.worker.probe import OPERATIONS
from coredns import COREFILE, standing_in
from forwarding import forwarding
from s3_faults import Fault, failing
from sandbox import Sandbox

# there is one DNS in a cluster, and some of these tests put another in its place
pytestmark = pytest.mark.xdist_group("dns")

FILES = ("workflow-gamma", "params-blue")
ALL = {*RIGHTS, *STREAM_RIGHTS, *HELPFUL_RIGHTS}
TAINT = {"key": "byok8s-test", "value": "yes", "effect": "NoSchedule"}


@dataclass(frozen=True)
class Told:
    """The report, as machines read it: by the name of each check what was seen, and what fixes it."""

    checks: list[Mapping[str, str]]

    def names(self, status: str, *fields: str) -> list[str]:
        return [
            check["name"]
            for check in self.checks
            if check["status"] == status and (not fields or check["field"] in fields)
        ]

    def of(self, name: str, status: str = "failed") -> Mapping[str, str]:
        (found,) = [check for check in self.checks if (check["name"], check["status"]) == (name, status)]
        return found


def doctor(cluster: Sandbox, *arguments: str, expect: int = 0, **environment: str) -> Told:
    said = cluster.run(*arguments, "--json", command="doctor", expect=expect, **environment)
    told = json.loads(said)
    assert told["would_work"] is (expect == 0)
    assert cluster.names() == []
    assert cluster.kept() == []
    return Told(told["checks"])


def no_pod(told: Told) -> bool:
    return set(told.names("not looked at", "pod")) >= set(probe_checks.NAMES)


def test_a_cluster_that_is_well(seed: Sandbox) -> None:
    told = doctor(seed, *FILES)
    assert told.names("failed") == []
    assert set(told.names("warning")) <= {"DNS"}
    # SeaweedFS has no regions
    assert set(told.names("not looked at")) <= {"region"}
    assert told.of("plan", "ok")["seen"] == "jobs of 2 rules to run"
    assert told.of("user", "ok")["seen"].startswith("number 1000")
    # a busy node's events come late
    assert told.of("image", "ok")["seen"].endswith(("which the node had already", "no event says which"))


def test_what_people_read(seed: Sandbox) -> None:
    said = seed.run(*FILES, command="doctor")
    assert said.splitlines()[-1] == "A run would work."
    assert max(map(len, said.splitlines())) <= 80
    assert "Inside a pod\n  ok       pod          ran after " in said
    assert seed.names() == []
    assert seed.kept() == []
    assert not (seed.folder / ".byok8s").exists()


def test_without_a_workflow_all_else_is_looked_at(cluster: Sandbox) -> None:
    told = doctor(cluster)
    assert set(told.names("not looked at")) <= {"plan", "software", "largest job", "region"}
    told = doctor(cluster, BYOK8S_S3_BUCKET="")
    assert set(told.names("not looked at", "bucket")) == set(bucket.NAMES)
    assert set(told.names("not looked at", "pod")) == set(probe_checks.S3)
    assert told.names("failed") == []


@pytest.mark.parametrize("missing", RIGHTS, ids=lambda right: f"{right.verb} {right.group_resource}")
def test_a_right_that_a_run_needs(missing: Right, seed: Sandbox) -> None:
    told = doctor(seed, *FILES, expect=3, KUBECONFIG=user(seed, ALL - {missing}))
    assert told.names("failed") == [missing.group_resource]
    check = told.of(missing.group_resource)
    assert missing.verb in check["seen"]
    assert f"byok8s rbac -k {seed.namespace}" in check["fix"]
    assert no_pod(told)
    assert {"largest job", "admission"} <= set(told.names("not looked at"))


@pytest.mark.parametrize(
    "missing", [*STREAM_RIGHTS, *HELPFUL_RIGHTS], ids=lambda right: f"{right.verb} {right.group_resource}"
)
def test_a_right_that_a_run_does_without(missing: Right, seed: Sandbox) -> None:
    told = doctor(seed, *FILES, KUBECONFIG=user(seed, ALL - {missing}))
    assert told.names("failed") == []
    assert missing.group_resource in told.names("warning")
    assert "the nodes are not for us to see" in told.of("largest job", "ok")["seen"]
    # what only an operator may see
    assert {*nodes.NAMES, "ResourceQuota", "LimitRange"} <= set(told.names("not looked at"))


def test_a_quota_that_is_used_up(seed: Sandbox) -> None:
    path = f"/api/v1/namespaces/{seed.namespace}/resourcequotas"
    seed.client.post(path, {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}})
    until = time.monotonic() + 30
    while not get_in(seed.client.get(f"{path}/small"), "status", "hard"):
        assert time.monotonic() < until
        time.sleep(0.2)
    told = doctor(seed, *FILES, expect=3)
    assert told.names("failed") == ["ResourceQuota"]
    assert "pods 0 of 0 used (quota small)" in told.of("ResourceQuota")["seen"]
    assert "byok8s clean" in told.of("ResourceQuota")["fix"]
    assert no_pod(told)


def test_a_limit_that_no_pod_of_a_run_keeps(seed: Sandbox) -> None:
    limit: Json = {"type": "Container", "max": {"cpu": "100m"}}
    path = f"/api/v1/namespaces/{seed.namespace}/limitranges"
    seed.client.post(path, {"metadata": {"name": "small"}, "spec": {"limits": [limit]}})
    told = doctor(seed, expect=3)
    assert told.names("failed") == ["admission"]
    assert "maximum cpu usage per Container is 100m" in told.of("admission")["seen"]
    assert told.of("LimitRange", "ok")["seen"] == "Container at most 0.1 CPU"
    assert no_pod(told)


def test_a_namespace_that_is_not_there(seed: Sandbox) -> None:
    told = doctor(seed, "-k", "no-such-namespace", expect=3)
    assert told.names("failed") == ["namespace"]
    assert told.of("namespace")["fix"] == "kubectl create namespace no-such-namespace"
    assert no_pod(told)


@contextmanager
def tainted(cluster: Sandbox) -> Iterator[None]:
    found = items(cluster.client.get("/api/v1/nodes"), "items")
    before = {text(node, "metadata", "name"): get_in(node, "spec", "taints") for node in found}
    try:
        for name in before:
            cluster.client.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": [dict(TAINT)]}})
        yield
    finally:
        for name, taints in before.items():
            cluster.client.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": taints}})


@pytest.mark.alone
def test_nodes_that_are_tainted_and_the_advice(seed: Sandbox) -> None:
    with tainted(seed):
        told = doctor(seed, expect=3)
        assert told.names("failed") == ["taints"]
        assert no_pod(told)
        told = doctor(seed, *told.of("taints")["fix"].split())
        assert told.names("failed") == []


def test_a_job_that_no_node_is_large_enough_for(cluster: Sandbox) -> None:
    cluster.write(
        {
            "Snakefile": "rule big:\n    output: 'x'\n    resources: mem_mb=90000000\n    shell: 'touch {output}'\n",
            "wf.json": '{"workflow_target": "big"}',
            "params.json": "{}",
        }
    )
    told = doctor(cluster, "wf", "params", expect=3)
    assert told.names("failed") == ["largest job"]
    assert "rule big: it asks for 90,000 GB of memory" in told.of("largest job")["seen"]


def test_a_workflow_that_cannot_be_planned(seed: Sandbox) -> None:
    told = doctor(seed, *FILES, "no-such-target", expect=3)
    assert told.names("failed") == ["plan"]
    assert "no-such-target" in told.of("plan")["seen"]
    assert "largest job" in told.names("not looked at")


# -- the image --


def template(container: Mapping[str, Json], *volumes: Json) -> str:
    return json.dumps({"spec": {"containers": [dict(container)], "volumes": list(volumes)}})


def with_files(cluster: Sandbox, files: Mapping[str, bytes], variables: Mapping[str, str]) -> str:
    """The content of a template for pods that have these files, which may be run, in /put-there."""
    keys = {str(number): path for number, path in enumerate(files)}
    data = {str(number): base64.b64encode(content).decode() for number, content in enumerate(files.values())}
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    cluster.client.post(path, {"metadata": {"name": "put-there"}, "binaryData": dict(data)})
    listed: list[Json] = [{"key": key, "path": path} for key, path in keys.items()]
    volume: Json = {
        "name": "put-there",
        "configMap": {"name": "put-there", "defaultMode": 0o755, "items": listed},
    }
    mount: Json = {"name": "put-there", "mountPath": "/put-there"}
    return template({"volumeMounts": [mount], "env": env(variables)}, volume)


def env(variables: Mapping[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in variables.items()]


def test_an_image_that_is_not_there(seed: Sandbox) -> None:
    told = doctor(seed, "--image", "localhost/byok8s/no-such:rig", expect=3)
    assert told.names("failed") == ["image"]
    assert "localhost/byok8s/no-such:rig cannot be pulled" in told.of("image")["seen"]
    assert told.of("image")["fix"].startswith("byok8s explain image-")


def test_an_image_for_another_architecture(seed: Sandbox) -> None:
    # the head of an ELF program for AArch64 (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html)
    program = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0, 64, 0, 0, 64, 56, 0, 64, 0, 0)
    )
    content = with_files(seed, {"python": program}, {"PATH": "/put-there:/usr/bin:/bin"})
    seed.write({"pod.yaml": content})
    told = doctor(seed, "--pod-template", "pod.yaml", expect=3)
    assert told.names("failed") == ["image"]
    assert "made for another architecture than the node's" in told.of("image")["seen"]
    assert "node_selector=kubernetes.io/arch" in told.of("image")["fix"]


def test_an_image_without_python(seed: Sandbox) -> None:
    seed.write({"pod.yaml": template({"env": env({"PATH": "/nowhere"})})})
    told = doctor(seed, "--pod-template", "pod.yaml", expect=3)
    assert told.names("failed") == ["image"]
    assert "has no python" in told.of("image")["seen"]


def test_an_image_with_an_old_snakemake(seed: Sandbox) -> None:
    described = {
        "snakemake-8.30.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: snakemake\nVersion: 8.30.0\n"
    }
    seed.write({"pod.yaml": with_files(seed, described, {"PYTHONPATH": "/put-there"})})
    told = doctor(seed, "--pod-template", "pod.yaml", expect=3)
    assert told.names("failed") == ["Snakemake"]
    assert "8.30.0 in the image" in told.of("Snakemake")["seen"]
    assert told.of("Snakemake")["fix"].startswith("--image snakemake/snakemake:v")


# -- the bucket --


def url(cluster: Sandbox) -> str:
    return cluster.bucket.endpoint_url or ""


def test_a_bucket_that_is_not_there(seed: Sandbox) -> None:
    told = doctor(seed, *FILES, "-b", "no-such-bucket", expect=3)
    assert told.names("failed") == ["list"]
    assert "There is no bucket 'no-such-bucket'" in told.of("list")["seen"]
    assert "aws s3 mb s3://no-such-bucket" in told.of("list")["fix"]
    assert set(told.names("not looked at", "pod")) == set(probe_checks.S3)
    assert {"plan", "largest job", *bucket.OPERATIONS} <= set(told.names("not looked at"))


def test_a_bucket_that_can_only_be_read(seed: Sandbox) -> None:
    fault = Fault(403, "AccessDenied", ("PUT", "POST", "DELETE"), everybody=True)
    with failing(url(seed), fault) as endpoint:
        told = doctor(seed, *FILES, "--s3-endpoint-url", endpoint, expect=3)
    assert told.names("failed") == ["put"]
    assert "s3:PutObject" in told.of("put")["fix"]
    assert set(told.names("not looked at", "bucket")) == {"region", "get", "multipart", "delete"}
    assert set(told.names("not looked at", "pod")) == set(probe_checks.S3)


def test_keys_that_are_wrong_in_the_pod_alone(seed: Sandbox) -> None:
    wrong = env({"AWS_ACCESS_KEY_ID": "stranger", "AWS_SECRET_ACCESS_KEY": "stranger-secret"})
    seed.write({"pod.yaml": template({"env": wrong})})
    told = doctor(seed, "--pod-template", "pod.yaml", expect=3)
    assert told.names("failed") == ["credentials"]
    assert "InvalidAccessKeyId" in told.of("credentials")["seen"]
    assert "pod template" in told.of("credentials")["fix"]
    assert set(told.names("not looked at", "pod")) == set(OPERATIONS)


def test_a_bucket_that_pods_alone_may_not_write(seed: Sandbox) -> None:
    with failing(url(seed), Fault(403, "AccessDenied", ("PUT",))) as endpoint:
        told = doctor(seed, "--s3-endpoint-url", endpoint, expect=3)
    assert told.names("failed") == ["put"]
    assert told.of("put")["field"] == "pod"
    assert set(told.names("not looked at", "pod")) == {"get", "delete"}


def test_a_server_that_only_this_machine_reaches(seed: Sandbox) -> None:
    with forwarding(url(seed), "127.0.0.2") as endpoint:
        told = doctor(seed, "--s3-endpoint-url", endpoint, expect=3)
    assert told.names("failed") == ["route"]
    assert "Connection refused" in told.of("route")["seen"]
    assert told.of("route")["fix"] == "byok8s explain s3-unreachable"
    assert set(told.names("not looked at", "pod")) == {*probe_checks.S3} - {"route"}


@pytest.mark.parametrize(("everybody", "field"), [(True, "bucket"), (False, "pod")])
def test_a_clock_that_differs_from_the_s3_servers(everybody: bool, field: str, seed: Sandbox) -> None:
    with failing(url(seed), Fault(0, "", everybody=everybody, clock=-3600)) as endpoint:
        told = doctor(seed, "--s3-endpoint-url", endpoint, expect=3)
    assert set(told.names("failed")) == {"clock"}
    assert field in {check["field"] for check in told.checks if check["status"] == "failed"}
    found = [check for check in told.checks if (check["name"], check["field"]) == ("clock", field)]
    assert "is 60 min ahead of S3's" in found[0]["seen"]
    assert found[0]["fix"].startswith("Set ")


# -- DNS --


def test_dns_that_forwards_to_itself(seed: Sandbox) -> None:
    with standing_in(seed.client, {"Corefile": COREFILE}) as dns:
        dns.await_state(lambda state: state.crashing)
        seed.write({"pod.yaml": dns.pod_template})
        with a_name_of(url(seed)) as endpoint:
            told = doctor(seed, "--pod-template", "pod.yaml", "--s3-endpoint-url", endpoint, expect=3)
        assert told.names("failed") == ["DNS"]
        assert "DNS is broken in this cluster" in told.of("DNS")["seen"]
        assert "CoreDNS forwards names to itself" in told.of("DNS")["seen"]
        assert told.of("DNS")["fix"] == "byok8s cluster fix-dns"
        assert set(told.names("not looked at", "pod")) == set(probe_checks.S3)
        # a run that reaches S3 by its address works
        told = doctor(seed, "--pod-template", "pod.yaml")
        assert told.of("DNS", "warning")["fix"] == "byok8s cluster fix-dns"


def test_a_host_that_is_none_is_told_from_dns_that_is_broken(seed: Sandbox) -> None:
    with standing_in(seed.client, {"Corefile": COREFILE.replace("/etc/resolv.conf", "10.0.0.2")}) as dns:
        dns.await_state(lambda state: state.ready == 1)
        seed.write({"pod.yaml": dns.pod_template})
        arguments = ("--pod-template", "pod.yaml", "--s3-endpoint-url", "http://no-such-host.invalid:9000")
        told = doctor(seed, *arguments, expect=3)
        assert told.names("failed") == ["list"]
        assert "does not resolve" in told.of("list")["seen"]
        assert "no-such-host.invalid is no host for it, nor for this machine" in told.of("DNS", "ok")["seen"]
        told = doctor(seed, "--pod-template", "pod.yaml")
        assert "CoreDNS, 1 of 1 pods ready" in told.of("DNS", "ok")["seen"]


@contextmanager
def a_name_of(server_url: str) -> Iterator[str]:
    """An endpoint by a name that this machine alone knows: its own."""
    with forwarding(server_url, "127.0.0.1") as endpoint:
        yield endpoint.replace("127.0.0.1", os.uname().nodename)


def test_without_dns_a_run_that_uses_no_names_works(seed: Sandbox) -> None:
    from byok8s.dns.state import look

    if look(seed.client).kind is not DnsKind.NONE:
        pytest.skip("this cluster has a DNS of its own")
    check = doctor(seed).of("DNS", "warning")
    assert "kubernetes.default.svc does not resolve in a pod" in check["seen"]
    assert "Install CoreDNS" in check["fix"]


# -- interrupted --


def interrupt(cluster: Sandbox, number: signal.Signals, *arguments: str) -> None:
    """Once its pod is there."""
    command = cluster.command(*arguments, command="doctor")
    process = subprocess.Popen(
        command,
        cwd=cluster.folder,
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = time.monotonic() + 30
    while not cluster.objects("pods"):
        assert time.monotonic() < until, "no pod after 30 s"
        time.sleep(0.1)
    if "--image" not in arguments:
        cluster.await_pods()
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert cluster.names() == []
    assert cluster.kept() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_nothing_is_left_when_it_is_interrupted_while_its_pod_waits(
    number: signal.Signals, seed: Sandbox
) -> None:
    interrupt(seed, number, "--image", "localhost/byok8s/no-such:rig")


def test_nothing_is_left_when_it_is_interrupted_while_its_pod_is_at_work(seed: Sandbox) -> None:
    with failing(url(seed), Fault(0, "", ("PUT", "GET"), pause=2.0)) as endpoint:
        interrupt(seed, signal.SIGINT, "--s3-endpoint-url", endpoint)
