"""k3s-killall.sh, which k3s's install.sh writes (create_killall): stops the service, ends its pods, keeps its data."""

from __future__ import annotations

from fake_tools.machine import Machine


def main() -> None:
    print("+ systemctl stop k3s.service")
    Machine.of_environment().remove_cluster("k3s", "k3s.service")
