"""What is said of a DNS, and how it is told whose it is."""

import pytest

from byok8s.dns.managed import out_of_sight, provider, signs
from byok8s.dns.state import LOG_SHOWS_LOOP, DnsKind, DnsState
from byok8s.kube import Object

LOOP = DnsState(DnsKind.COREDNS, 0, 2, ("coredns-a", "coredns-b"), looping=True, crashing=True)


@pytest.mark.parametrize(
    ("state", "problem", "fix"),
    [
        (DnsState(DnsKind.UNSEEN), "", ""),
        (DnsState(DnsKind.COREDNS, 2, 2, ("coredns-a",)), "", ""),
        (DnsState(DnsKind.KUBE_DNS, 1, 2, ("kube-dns-a", "kube-dns-b")), "", ""),
        (DnsState(DnsKind.NONE), "The cluster has no DNS: ", "Install CoreDNS: "),
        (DnsState(DnsKind.NONE, managed="GKE"), "", ""),
        (LOOP, "CoreDNS forwards names to itself", "byok8s cluster fix-dns"),
        (
            DnsState(
                DnsKind.COREDNS, 1, 2, ("coredns-a",), looping=True, managed="k3s", instead="start k3s with …"
            ),
            "CoreDNS forwards names to itself",
            "This DNS is managed by k3s: start k3s with …",
        ),
        (
            DnsState(DnsKind.COREDNS, 0, 1, ("coredns-a",), crashing=True),
            "CoreDNS crashes again and again (0 of 1 pods ready)",
            "kubectl logs -n kube-system --previous coredns-a",
        ),
        (
            DnsState(DnsKind.KUBE_DNS, 0, 1, ("kube-dns-a",)),
            "does not run: kube-dns has 0 of 1 pods ready",
            "kubectl describe pod -n kube-system kube-dns-a",
        ),
        (DnsState(DnsKind.COREDNS, 0, 0), "0 of 0 pods ready", "kubectl scale -n kube-system deployment -l "),
    ],
)
def test_the_problem_and_what_fixes_it(state: DnsState, problem: str, fix: str) -> None:
    assert problem in state.problem
    assert bool(problem) == bool(state.problem)
    assert state.fix.startswith(fix)
    assert bool(fix) == bool(state.fix)
    assert state.words == f"{state.problem} {state.fix}".strip()


@pytest.mark.parametrize(
    ("line", "loop"),
    [
        # coredns/coredns plugin/loop/loop.go since 1.2.3, and at 1.2.2
        (
            '[FATAL] plugin/loop: Loop (127.0.0.1:46732 -> :53) detected for zone ".", see '
            'https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO 5542328687544567010.7848882517153318095."',
            True,
        ),
        (
            '[FATAL] plugin/loop: Seen "HINFO IN 5577006791947779410.8674665223082153551." to [::]:53 more than twice, '
            "loop detected",
            True,
        ),
        ("[WARNING] plugin/loop: some other thing", False),
        ('[INFO] 10.0.0.7:4711 - 1 "A IN loop.detected.example.org. udp 40 false 512" NXDOMAIN', False),
    ],
)
def test_the_loop_in_the_log(line: str, loop: bool) -> None:
    assert bool(LOG_SHOWS_LOOP.search(f"[INFO] plugin/reload: Running\n{line}\n")) == loop


def tagged(kind: str, name: str, value: str) -> Object:
    return {"metadata": {kind: {name: value}}}


EKS: Object = {"metadata": {"managedFields": [{"manager": "kube-controller-manager"}, {"manager": "eks"}]}}
RECONCILE = tagged("labels", "addonmanager.kubernetes.io/mode", "Reconcile")
EXISTS = tagged("labels", "addonmanager.kubernetes.io/mode", "EnsureExists")


@pytest.mark.parametrize(
    ("version", "obj", "config_map", "name"),
    [
        ("v1.20.2", tagged("labels", "k8s-app", "kube-dns"), {}, ""),
        ("v1.27.3-gke.100", {}, {}, "GKE"),
        ("v1.30.4-eks-a737599", EKS, {}, "EKS"),
        ("v1.30.4-eks-a737599", tagged("labels", "eks.amazonaws.com/component", "coredns"), {}, ""),
        ("v1.30.4", EKS, {}, ""),
        ("v1.30.4", tagged("labels", "kubernetes.azure.com/managedby", "aks"), RECONCILE, "AKS"),
        ("v1.31.1", {}, tagged("labels", "doks.digitalocean.com/managed", "true"), "DigitalOcean"),
        (
            "v1.31.1+k3s1",
            {},
            tagged("annotations", "objectset.rio.cattle.io/owner-gvk", "k3s.cattle.io/v1, Kind=Addon"),
            "k3s",
        ),
        ("v1.31.1+k3s1", tagged("labels", "app.kubernetes.io/managed-by", "Helm"), {}, ""),
        ("v1.31.1+rke2r1", {}, tagged("annotations", "meta.helm.sh/release-name", "rke2-coredns"), "RKE2"),
        ("v1.31.1", tagged("labels", "resources.gardener.cloud/managed-by", "gardener"), {}, "Gardener"),
        ("v1.31.1", {}, RECONCILE, "the cluster's add-on manager"),
        ("v1.31.1", RECONCILE, EXISTS, ""),
    ],
)
def test_whose_dns_it_is(version: str, obj: Object, config_map: Object, name: str) -> None:
    found = provider(signs(version, [{}, obj], config_map))
    assert (found.name if found else "") == name


@pytest.mark.parametrize(
    ("version", "groups", "name"),
    [
        ("v1.27.3-gke.100", [], "GKE"),
        ("v1.30.4-eks-a737599", [], "EKS"),
        ("v1.30.4", ["apps", "operator.openshift.io"], "OpenShift"),
        ("v1.20.2", ["apps"], ""),
    ],
)
def test_a_dns_that_runs_out_of_sight(version: str, groups: list[str], name: str) -> None:
    assert out_of_sight(version, groups) == name
