"""k3d: k3s in containers. Read in its source, v5.9: cmd/cluster, cmd/kubeconfig, cmd/image, cmd/util/ports.go."""

from __future__ import annotations

import json
from pathlib import Path

from byok8s.local_cluster import private_file
from byok8s.local_cluster.drivers import NAME, not_installed
from byok8s.local_cluster.tools import Tool


class K3d:
    name = "k3d"
    install = "https://k3d.io/stable/#installation"
    own_cluster = True
    cluster = NAME
    removal = f"k3d cluster delete {NAME}"

    def __init__(self, k3d: Tool, kubeconfig: Path) -> None:
        self._k3d, self._kubeconfig = k3d, kubeconfig

    def why_not(self) -> str:
        if not self._k3d.is_installed:
            return not_installed(self)
        answer = self._k3d.ask("cluster", "list", "-o", "json")  # asks the container runtime
        return answer.words if answer.code else ""

    def exists(self) -> bool:
        return NAME in clusters(self._k3d.read("cluster", "list", "-o", "json"))

    def up(self) -> None:
        if self.exists():
            self._k3d.do("cluster", "start", NAME)
        else:
            # by itself it would have the API listen on every address of this machine
            address = ("--api-port", "127.0.0.1:random")
            self._k3d.do("cluster", "create", NAME, *address, "--kubeconfig-update-default=false")
        private_file.write(self._kubeconfig, self._k3d.read("kubeconfig", "get", NAME))

    def down(self) -> None:
        self._k3d.do("cluster", "delete", NAME)

    def load(self, archive: Path, image: str) -> None:  # noqa: ARG002 - it is in the archive
        self._k3d.do("image", "import", str(archive), "--cluster", NAME)


def clusters(output: str) -> list[str]:
    """Of `k3d cluster list -o json`."""
    return [cluster["name"] for cluster in json.loads(output)]
