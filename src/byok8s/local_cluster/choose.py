"""Which tool makes the cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from byok8s.errors import ClusterError, InputError
from byok8s.local_cluster.drivers import Driver
from byok8s.local_cluster.drivers.k3d import K3d
from byok8s.local_cluster.drivers.k3s import K3s
from byok8s.local_cluster.drivers.kind import Kind
from byok8s.local_cluster.drivers.minikube import Minikube
from byok8s.local_cluster.tools import Tool


def drivers(kubeconfig: Path, say: Callable[[str], None], minikube_driver: str | None) -> dict[str, Driver]:
    """All of them, by name, in the order in which they are tried."""

    def tool(program: str) -> Tool:
        return Tool(program, kubeconfig, say)

    # k3s has a kubeconfig of its own, which it prints only where no other is named
    k3s, systemctl = (Tool(program, None, say) for program in ("k3s", "systemctl"))
    killall = Tool("k3s-killall.sh", None, lambda _: None)  # it says each of its own lines
    found: tuple[Driver, ...] = (
        Minikube(tool("minikube"), minikube_driver),
        Kind(tool("kind"), kubeconfig),
        K3d(tool("k3d"), kubeconfig),
        K3s(k3s, systemctl, killall, kubeconfig),
    )
    return {driver.name: driver for driver in found}


def choose(among: dict[str, Driver], wanted: str | None) -> Driver:
    """The driver that is wanted, else the first that can work here.

    Raises InputError if there is none of the name that is wanted, ClusterError if none can work.
    """
    if wanted and wanted not in among:
        raise InputError(f"There is no driver {wanted!r}.", hint=f"Known are: {', '.join(among)}.")
    tried = [among[wanted]] if wanted else list(among.values())
    reasons = {}
    for driver in tried:
        reason = driver.why_not()
        if not reason:
            return driver
        reasons[driver.name] = reason
    raise ClusterError(
        f"{wanted} cannot make a cluster here." if wanted else "No local cluster can be made here.",
        where="\n".join(_row(name, reason) for name, reason in reasons.items()),
        hint="Fix or install one of them; or run without a cluster: byok8s WORKFLOW PARAMS --local",
    )


def _row(name: str, reason: str) -> str:
    return f"{name}: " + reason.replace("\n", "\n  ")
