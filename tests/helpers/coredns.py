"""A stand-in for the cluster's DNS, in kube-system as the real one, for a cluster that has none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from byok8s.dns.state import CONFIG_MAPS, DEPLOYMENTS, PODS, SELECTOR, DnsKind, DnsState, look
from byok8s.kube import KubeClient
from byok8s.kube.objects import Json, items, text

SCRIPT = Path(__file__).with_name("coredns_standin.py")
IMAGE = "localhost/byok8s/worker:rig"
# as kubeadm ships it: kubernetes/kubernetes cmd/kubeadm/app/phases/addons/dns/manifests.go
COREFILE = """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
"""
# The rig has no kube-proxy, so no pod reaches the Service's address that its kubelet writes into resolv.conf: the
# stand-in serves at its node's address, and pods that ask it are told that one.
POD_TEMPLATE = """spec:
  dnsPolicy: None
  dnsConfig:
    nameservers: ["{address}"]
    searches: [default.svc.cluster.local, svc.cluster.local, cluster.local]
    options: [{{name: ndots, value: "5"}}]
"""


@dataclass
class Standin:
    """address: of the node that it serves at. config_map: its name."""

    client: KubeClient
    address: str
    config_map: str

    @property
    def pod_template(self) -> str:
        """The content of a template for pods that ask it."""
        return POD_TEMPLATE.format(address=self.address)

    def read(self) -> dict[str, Json]:
        """The ConfigMap as it is."""
        return dict(self.client.get(f"{CONFIG_MAPS}/{self.config_map}"))

    def corefile(self) -> str:
        return text(self.read(), "data", "Corefile")

    def edit(self, **change: Mapping[str, str]) -> None:
        """metadata or data of the ConfigMap."""
        body: dict[str, Json] = {name: {**values} for name, values in change.items()}
        self.client.patch(f"{CONFIG_MAPS}/{self.config_map}", body)

    def pods(self) -> set[str]:
        """The uids of its pods, without those that are being deleted."""
        found = [
            pod for pod in self.client.find(PODS, SELECTOR) if not text(pod, "metadata", "deletionTimestamp")
        ]
        return {text(pod, "metadata", "uid") for pod in found}

    def await_state(self, is_so: Callable[[DnsState], bool]) -> DnsState:
        until = time.monotonic() + 180
        while not is_so(state := look(self.client)):
            assert time.monotonic() < until, f"still {state} after 180 s"
            time.sleep(0.5)
        return state


@contextmanager
def standing_in(
    client: KubeClient,
    data: Mapping[str, str] | None,
    *,
    kind: DnsKind = DnsKind.COREDNS,
    replicas: int = 1,
    annotations: Mapping[str, str] = {},
) -> Iterator[Standin]:
    """data: of its ConfigMap, which is not there for None. annotations: of the ConfigMap."""
    if look(client).kind is not DnsKind.NONE:
        pytest.skip("this cluster has a DNS of its own")
    name = "coredns" if kind is DnsKind.COREDNS else "kube-dns"
    (node, *_) = items(client.get("/api/v1/nodes"), "items")
    addresses = {text(entry, "type"): text(entry, "address") for entry in items(node, "status", "addresses")}
    try:
        if data is not None:
            metadata: Json = {"name": name, "annotations": {**annotations}}
            client.post(CONFIG_MAPS, {"metadata": metadata, "data": {**data}})
        client.post(DEPLOYMENTS, _deployment(name, addresses["InternalIP"], replicas))
        yield Standin(client, addresses["InternalIP"], name)
    finally:
        client.delete(f"{DEPLOYMENTS}/{name}", {"propagationPolicy": "Background"})
        client.delete(f"{CONFIG_MAPS}/{name}")
        until = time.monotonic() + 180
        # without grace: a kubelet may take a minute to be done with a pod that has ended
        while pods := client.find(PODS, SELECTOR):
            assert time.monotonic() < until, "the stand-in for CoreDNS is still there after 180 s"
            for pod in pods:
                client.delete(f"{PODS}/{text(pod, 'metadata', 'name')}", {"gracePeriodSeconds": 0})
            time.sleep(1)


def _deployment(name: str, address: str, replicas: int) -> dict[str, Json]:
    labels: dict[str, Json] = {"k8s-app": "kube-dns"}
    mount = "/etc/coredns" if name == "coredns" else "/kube-dns-config"
    container: dict[str, Json] = {
        "name": "coredns" if name == "coredns" else "kubedns",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", SCRIPT.read_text(), address],
        "securityContext": {"runAsUser": 0},
        "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config-volume", "mountPath": mount, "readOnly": True}],
    }
    volume: dict[str, Json] = {"name": name, "optional": True}
    if name == "coredns":
        volume["items"] = [{"key": "Corefile", "path": "Corefile"}]
    spec: dict[str, Json] = {
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "config-volume", "configMap": volume}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
