"""k3s: the service of this machine, as its install script sets it up (install.sh of k3s-io/k3s).

It keeps no clusters apart, and pods, images and network are the machine's. So nothing of it is made or removed: a
service that does not run is started, and `down` stops what `up` has started. `systemctl stop` alone leaves its pods
running; k3s-killall.sh ends them, and keeps the cluster's data
(https://docs.k3s.io/upgrades/killall).
"""

from __future__ import annotations

import os
from pathlib import Path

from byok8s.local_cluster import private_file
from byok8s.local_cluster.drivers import not_installed
from byok8s.local_cluster.tools import Tool

SERVICE = "k3s.service"


class K3s:
    name = "k3s"
    install = "https://docs.k3s.io/quick-start"
    own_cluster = False
    cluster = SERVICE
    removal = "k3s-killall.sh"

    def __init__(self, k3s: Tool, systemctl: Tool, killall: Tool, kubeconfig: Path) -> None:
        self._k3s, self._systemctl, self._killall, self._kubeconfig = k3s, systemctl, killall, kubeconfig

    def why_not(self) -> str:
        if not self._k3s.is_installed:
            return not_installed(self)
        if os.geteuid() != 0:
            return "its service, images and kubeconfig are root's: sudo byok8s cluster up --driver k3s"
        if not self._systemctl.is_installed:
            return "it is no service here: there is no systemd"
        answer = self._systemctl.ask("cat", SERVICE)
        return f"it is no service here: {answer.words}" if answer.code else ""

    def exists(self) -> bool:
        return self._systemctl.ask("is-active", SERVICE).code == 0

    def up(self) -> None:
        self._systemctl.do("start", SERVICE)
        private_file.write(self._kubeconfig, self._k3s.read("kubectl", "config", "view", "--raw"))

    def down(self) -> None:
        self._killall.do()

    def load(self, archive: Path, image: str) -> None:  # noqa: ARG002 - it is in the archive
        self._k3s.do("ctr", "images", "import", str(archive))
