"""By which address of this machine the cluster's pods reach it.

It is the one that this machine itself sends from when it talks to a node, for both are then on one network: the
gateway of a container's network (what host.minikube.internal and host.k3d.internal name), the host's side of a
virtual machine's. The kernel knows it, whatever tool made the network. Where nodes run in a virtual machine that
hides its network (Docker Desktop), it is the address of this machine in its own network.

A node that is this machine itself (k3s, minikube's driver none) is another matter: there the sender is the node's
own address, in the machine's network, which others can reach. Its pods also reach the bridge that they are on,
which has the first address of their range, and nobody else does.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from typing import Final

from byok8s.errors import ClusterError
from byok8s.local_cluster.nodes import Node

_ANY_PORT: Final = 9  # nothing is sent
_BRIDGE_SECONDS: Final = 10.0  # it is made for the first pod


def for_pods(node: Node) -> str:
    """The best of those that are possible. Raises ClusterError for a node that this machine has no way to."""
    best, *others = possible(node)
    until = time.monotonic() + _BRIDGE_SECONDS
    while others and not is_ours(best):
        if time.monotonic() > until:
            return others[0]
        time.sleep(0.25)
    return best


def possible(node: Node) -> list[str]:
    """The best first. Raises ClusterError for a node that this machine has no way to."""
    sender = _sender(node.address)
    return [found for found in (bridge(node, sender), sender) if found]


def bridge(node: Node, sender: str) -> str:
    """The address that the bridge of the node's pods has on this machine; empty if the node is another."""
    if sender != node.address or not node.pod_range:
        return ""
    return str(next(ipaddress.ip_network(node.pod_range).hosts()))


def is_ours(address: str) -> bool:
    with socket.socket(_family(address)) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _sender(to: str) -> str:
    try:
        with socket.socket(_family(to), socket.SOCK_DGRAM) as probe:
            probe.connect((to, _ANY_PORT))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ClusterError(
            f"This machine has no way to the node's address {to}.", where=str(error)
        ) from error


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
