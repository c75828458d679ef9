"""k3s v1.36, the commands of its own binary that are used: k3s-io/k3s, pkg/kubectl/main.go (`k3s kubectl` takes
/etc/rancher/k3s/k3s.yaml where KUBECONFIG names none), pkg/ctr/main.go (`k3s ctr` is containerd's, in the namespace
k8s.io). The kubeconfig calls everything `default`.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import yaml

from fake_tools.machine import Flags, Machine, dispatch, fail

machine = Machine.of_environment


def main() -> None:
    dispatch(
        {
            ("kubectl", "config", "view"): config_view,
            ("ctr", "images", "import"): images_import,
        }
    )


def config_view(arguments: list[str]) -> None:
    flags = Flags()
    flags.switch("--raw")
    assert flags.parse_args(arguments).raw == "true", "without --raw certificates are left out"
    assert "KUBECONFIG" not in os.environ, "it would print that one"
    print(yaml.safe_dump(machine().kubeconfig("default", "default")), end="")


def images_import(arguments: list[str]) -> None:
    flags = Flags()
    flags.add_argument("archive")
    if "k3s.service" not in machine().clusters("k3s"):
        fail(
            'ctr: failed to dial "/run/k3s/containerd/containerd.sock": connection error: desc = "transport: '
            'error while dialing: dial unix:///run/k3s/containerd/containerd.sock: connect: no such file"',
            1,
        )
    try:
        machine().take_image("k3s", "k3s.service", Path(flags.parse_args(arguments).archive))
    except (OSError, tarfile.TarError, KeyError) as error:
        fail(f"ctr: {error}", 1)
