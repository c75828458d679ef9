"""What the cluster says of itself, asked with our kubeconfig."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from byok8s.errors import ClusterError
from byok8s.kube import ApiError, Context, KubeClient, Object
from byok8s.kube.errors import NOT_FOUND
from byok8s.kube.objects import items, text

NAMESPACE: Final = "default"
_READY_SECONDS: Final = 300.0
_PATIENCE_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Node:
    """address: its InternalIP. pod_range: of its pods' addresses, as 10.42.0.0/24; empty if none is noted."""

    name: str
    ready: bool
    address: str
    pod_range: str


@dataclass(frozen=True)
class LocalCluster:
    """context: the kubeconfig's. takes_pods: whether the namespace has the service account that pods need."""

    context: str
    version: str
    nodes: tuple[Node, ...]
    takes_pods: bool

    @property
    def ready(self) -> bool:
        return self.takes_pods and bool(self.nodes) and all(node.ready for node in self.nodes)


def ask(kubeconfig: Path) -> LocalCluster:
    """Raises ClusterError if it does not answer within a few seconds."""
    client = KubeClient(Context(files=[kubeconfig]))
    version = text(client.get("/version", patience=_PATIENCE_SECONDS), "gitVersion")
    nodes = items(client.get("/api/v1/nodes", patience=_PATIENCE_SECONDS), "items")
    return LocalCluster(client.context.name, version, tuple(map(read_node, nodes)), _takes_pods(client))


def await_ready(kubeconfig: Path) -> LocalCluster:
    """Once it takes pods and all its nodes are ready. Raises ClusterError if that lasts over five minutes."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            cluster = ask(kubeconfig)
        except ClusterError:
            if time.monotonic() > until:
                raise
        else:
            if cluster.ready:
                return cluster
            if time.monotonic() > until:
                raise ClusterError(
                    f"The cluster is not ready after {_READY_SECONDS / 60:.0f} min.",
                    where=f"Not ready: {', '.join(node.name for node in cluster.nodes if not node.ready) or 'pods'}.",
                )
        time.sleep(0.5)


def read_node(node: Object) -> Node:
    conditions = {text(found, "type"): text(found, "status") for found in items(node, "status", "conditions")}
    addresses = {text(found, "type"): text(found, "address") for found in items(node, "status", "addresses")}
    return Node(
        name=text(node, "metadata", "name"),
        ready=conditions.get("Ready") == "True",
        address=addresses.get("InternalIP", ""),
        pod_range=text(node, "spec", "podCIDR"),
    )


def _takes_pods(client: KubeClient) -> bool:
    """A pod without its service account is refused; it is there some seconds after the API server."""
    try:
        client.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default", patience=_PATIENCE_SECONDS)
    except ApiError as error:
        if error.code != NOT_FOUND:
            raise
        return False
    return True
