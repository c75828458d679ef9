"""A cluster's DNS that forwards to itself: seen, fixed, and put back; and left alone where it is not ours."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from account import ACCOUNT, PATHS, apply, user
from byok8s.access import rbac
from byok8s.access.rbac import Subject
from byok8s.access.rights import DNS_RIGHTS, PROBE_RIGHTS, RIGHTS, STREAM_RIGHTS, Right
from byok8s.dns import fix
from byok8s.dns.answer import PodMade, ask
from byok8s.dns.change import ANNOTATION
from byok8s.dns.state import CONFIG_MAPS, DEPLOYMENTS, PODS, DnsKind, look
from byok8s.errors import ClusterError
from byok8s.kube import ApiError
from byok8s.kube.objects import Json, get_in, text
from coredns import COREFILE, IMAGE, Standin, standing_in
from sandbox import Sandbox

# there is one DNS in a cluster, and some of these tests put another in its place
pytestmark = pytest.mark.xdist_group("dns")

FIXED = COREFILE.replace("/etc/resolv.conf", "8.8.8.8 8.8.4.4")
OFFICE = COREFILE.replace("/etc/resolv.conf", "10.0.0.2")  # a DNS that is well
S3 = "--s3-endpoint-url=http://minio.example.org:9000"
FOUND = "DNS answers in a pod, of kubernetes.default.svc and minio.example.org."


def fix_dns(cluster: Sandbox, dns: Standin, *arguments: str, expect: int = 0, **environment: str) -> str:
    cluster.write({"dns.yaml": dns.pod_template})
    return cluster.run(
        "--pod-template=dns.yaml", S3, *arguments, command="cluster fix-dns", expect=expect, **environment
    )


@contextmanager
def bystander(cluster: Sandbox) -> Iterator[str]:
    """A pod in kube-system that is none of the DNS', and the path of it."""
    name = f"byok8s-test-{uuid.uuid4().hex[:8]}"
    container: Json = {"name": "none", "image": IMAGE, "command": ["sleep", "600"]}
    spec: Json = {"containers": [container], "terminationGracePeriodSeconds": 0}
    cluster.client.post(PODS, {"metadata": {"name": name}, "spec": spec})
    try:
        yield f"{PODS}/{name}"
    finally:
        cluster.client.delete(f"{PODS}/{name}")


@contextmanager
def rights_in_kube_system(cluster: Sandbox, rights: tuple[Right, ...]) -> Iterator[None]:
    """For the account of `user`."""
    subject = Subject("ServiceAccount", ACCOUNT, cluster.namespace)
    objects = rbac.objects("kube-system", cluster.namespace, subject, rights)
    apply(cluster, objects)
    try:
        yield
    finally:
        for obj in objects:
            path = PATHS[text(obj, "kind")].format("kube-system")
            cluster.client.delete(f"{path}/{text(obj, 'metadata', 'name')}")


def test_a_loop_is_seen_and_fixed_and_put_back(cluster: Sandbox) -> None:
    with standing_in(cluster.client, {"Corefile": COREFILE}) as dns, bystander(cluster) as other:
        state = dns.await_state(lambda state: state.crashing)
        assert (state.kind, state.looping, state.ready, state.wanted) == (DnsKind.COREDNS, True, 0, 1)
        assert "CoreDNS forwards names to itself" in state.problem
        assert state.fix == "byok8s cluster fix-dns"
        uid = text(cluster.client.get(other), "metadata", "uid")
        broken, template = (
            dns.pods(),
            get_in(cluster.client.get(f"{DEPLOYMENTS}/coredns"), "metadata", "generation"),
        )

        said = fix_dns(cluster, dns, "--dry-run")
        assert "CoreDNS forwards names to itself" in said
        assert "-    forward . /etc/resolv.conf {\n  +    forward . 8.8.8.8 8.8.4.4 {\n" in said
        said = fix_dns(cluster, dns, expect=2)
        assert "Nothing was changed: there is no terminal to ask on" in said
        assert dns.corefile() == COREFILE

        assert FOUND in fix_dns(cluster, dns, "--yes")
        assert dns.corefile() == FIXED
        assert not dns.pods() & broken
        assert text(cluster.client.get(other), "metadata", "uid") == uid
        assert get_in(cluster.client.get(f"{DEPLOYMENTS}/coredns"), "metadata", "generation") == template
        state = look(cluster.client)
        assert (state.ready, state.problem) == (1, "")
        assert cluster.names() == []

        whole = dns.pods()
        said = fix_dns(cluster, dns)
        assert "It forwards to these servers already" in said
        assert FOUND in said
        assert dns.pods() == whole

        said = fix_dns(cluster, dns, "--undo", "--yes", expect=3)
        assert "With this configuration the cluster's DNS does not run" in said
        assert dns.corefile() == COREFILE
        assert ANNOTATION not in str(dns.read())
        assert cluster.names() == []


def test_a_configuration_that_does_not_work_leaves_a_pod_that_does(cluster: Sandbox) -> None:
    with standing_in(cluster.client, {"Corefile": OFFICE}, replicas=2) as dns:
        dns.await_state(lambda state: state.ready == 2)
        before = dns.pods()
        said = fix_dns(cluster, dns, "--yes", dns.address, expect=3)
        assert "does not run" in said
        assert len(dns.pods() & before) == 1
        assert look(cluster.client).ready == 1

        assert FOUND in fix_dns(cluster, dns, "--undo", "--yes")
        assert dns.corefile() == OFFICE
        assert look(cluster.client).ready == 2
        assert "nothing to undo" in fix_dns(cluster, dns, "--undo", "--yes", expect=2)


def test_servers_that_no_node_reaches_are_told_from_a_dns_that_is_broken(cluster: Sandbox) -> None:
    with standing_in(cluster.client, {"Corefile": OFFICE}) as dns:
        dns.await_state(lambda state: state.ready == 1)
        said = fix_dns(cluster, dns, "--yes", "192.0.2.1", expect=3)
        assert "DNS answers for the cluster's own names, and not for others" in said
        assert "minio.example.org: " in said
        assert "kubernetes.default.svc: " not in said
        said = fix_dns(cluster, dns, "--undo", "192.0.2.1", expect=2)
        assert "takes no SERVER" in said
        assert "'localhost' is no address" in fix_dns(cluster, dns, "localhost", expect=2)
        assert cluster.names() == []


def test_what_somebody_else_has_changed_is_not_overwritten(cluster: Sandbox) -> None:
    with standing_in(cluster.client, {"Corefile": OFFICE}) as dns:
        dns.await_state(lambda state: state.ready == 1)
        plan = fix.plan(cluster.client, cluster.namespace, ["8.8.8.8"])
        edited = OFFICE.replace("    loop\n", "")
        dns.edit(data={"Corefile": edited})
        with pytest.raises(ClusterError, match="by somebody else in this moment"):
            fix.apply(cluster.client, plan.change)
        assert dns.corefile() == edited

        fix_dns(cluster, dns, "--yes", "8.8.8.8")
        again = dns.corefile().replace("cache 30", "cache 60")
        dns.edit(data={"Corefile": again})
        said = fix_dns(cluster, dns, "--undo", "--yes", expect=3)
        assert "was edited after byok8s had changed it" in said
        assert "+    cache 60" in said
        assert dns.corefile() == again


def test_kube_dns_gets_a_config_map_and_loses_it_again(cluster: Sandbox) -> None:
    with standing_in(cluster.client, None, kind=DnsKind.KUBE_DNS) as dns:
        state = dns.await_state(lambda state: state.ready == 1)
        assert state.kind is DnsKind.KUBE_DNS
        said = fix_dns(cluster, dns, "--yes")
        assert '+["8.8.8.8", "8.8.4.4"]' in said
        assert dns.read()["data"] == {"upstreamNameservers": '["8.8.8.8", "8.8.4.4"]'}
        assert FOUND in fix_dns(cluster, dns, "--undo", "--yes")
        with pytest.raises(ApiError, match="not found"):
            dns.read()


def test_a_dns_that_is_managed_is_refused(cluster: Sandbox) -> None:
    owner = {"objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon"}
    with standing_in(cluster.client, {"Corefile": COREFILE}, annotations=owner) as dns:
        state = dns.await_state(lambda state: state.looping)
        assert state.managed == "k3s"
        assert state.fix.startswith("This DNS is managed by k3s: start k3s with --resolv-conf=FILE")
        said = fix_dns(cluster, dns, "--yes", expect=3)
        assert "managed by k3s, which sets back what others change in it" in said
        assert "start k3s with --resolv-conf=FILE" in said
        assert dns.corefile() == COREFILE


def test_a_user_of_one_namespace_is_told_what_is_missing(cluster: Sandbox) -> None:
    with standing_in(cluster.client, {"Corefile": OFFICE}) as dns:
        dns.await_state(lambda state: state.ready == 1)
        account = user(cluster, RIGHTS + STREAM_RIGHTS)
        said = fix_dns(cluster, dns, "--yes", expect=3, KUBECONFIG=account)
        assert "no right to list pods in kube-system" in said
        with rights_in_kube_system(cluster, DNS_RIGHTS[:2]):
            said = fix_dns(cluster, dns, "--yes", expect=3, KUBECONFIG=account)
        assert "Missing: get configmaps in kube-system; patch configmaps in kube-system." in said
        assert dns.corefile() == OFFICE


def test_the_rights_that_are_documented_are_enough(cluster: Sandbox) -> None:
    with standing_in(cluster.client, {"Corefile": COREFILE}) as dns:
        dns.await_state(lambda state: state.crashing)
        account = user(cluster, PROBE_RIGHTS)
        with rights_in_kube_system(cluster, DNS_RIGHTS):
            assert FOUND in fix_dns(cluster, dns, "--yes", KUBECONFIG=account)
        assert dns.corefile() == FIXED
        assert cluster.names() == []


def test_a_cluster_without_a_dns(cluster: Sandbox) -> None:
    if look(cluster.client).kind is not DnsKind.NONE:
        pytest.skip("this cluster has a DNS of its own")
    said = cluster.run("--yes", command="cluster fix-dns", expect=3)
    assert "The cluster has no DNS" in said
    assert "Install CoreDNS" in said
    with pytest.raises(ApiError, match="not found"):
        cluster.client.get(f"{CONFIG_MAPS}/coredns")


def test_an_image_that_cannot_be_pulled_is_named(cluster: Sandbox) -> None:
    made = PodMade("localhost/byok8s/not-there:rig")
    with pytest.raises(ClusterError, match="Whether DNS answers is not known") as found:
        ask(cluster.client, cluster.namespace, ["kubernetes.default.svc"], made)
    assert "image localhost/byok8s/not-there:rig cannot be pulled" in str(found.value)
    assert cluster.objects("pods") == []
