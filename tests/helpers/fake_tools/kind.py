"""kind v0.33: kubernetes-sigs/kind, pkg/cmd/kind/{create,delete,get}/*, pkg/cmd/kind/load/image-archive,
pkg/cluster/internal/create/create.go (a failed start removes the nodes), cmd/kind/app/main.go (how errors are said),
pkg/cluster/internal/kubeconfig (the context is kind-NAME; --kubeconfig comes before KUBECONFIG).
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

from fake_tools.machine import (
    DOCKER_DOWN,
    Flags,
    Machine,
    default_kubeconfig,
    dispatch,
    drop_from_kubeconfig,
    fail,
    merge_kubeconfig,
)

machine = Machine.of_environment


def main() -> None:
    dispatch(
        {
            ("get", "clusters"): get_clusters,
            ("create", "cluster"): create_cluster,
            ("delete", "cluster"): delete_cluster,
            ("load", "image-archive"): load_image_archive,
        }
    )


def say(words: str) -> None:
    """Its logger writes to standard error."""
    print(words, file=sys.stderr, flush=True)


def ask_docker(doing: str, command: str) -> None:
    if machine().has_trouble("docker-down"):
        fail(
            f'ERROR: {doing}: command "docker {command}" failed with error: exit status 1\n\n'
            f"Command Output: {DOCKER_DOWN}",
            1,
        )


def get_clusters(arguments: list[str]) -> None:
    Flags().parse_args(arguments)
    label = "io.x-k8s.kind.cluster"
    ask_docker(
        "failed to list clusters", f"ps -a --filter label={label} --format '{{{{.Label \"{label}\"}}}}'"
    )
    found = machine().clusters("kind")
    if not found:
        say("No kind clusters found.")
    for name in found:
        print(name)


def create_cluster(arguments: list[str]) -> None:
    flags = Flags()
    flags.values("--config", "--image", "--wait", "--kubeconfig")
    flags.add_argument("-n", "--name", default="kind")
    flags.switch("--retain")
    given = flags.parse_args(arguments)
    ask_docker("failed to create cluster: failed to list nodes", "ps -a")
    if given.name in machine().clusters("kind"):
        fail(
            "ERROR: failed to create cluster: node(s) already exist for a cluster with the name "
            f'"{given.name}"',
            1,
        )
    say(f'Creating cluster "{given.name}" ...')
    say(" • Ensuring node image (kindest/node:v1.36.1) 🖼  ...")
    say(" ✓ Ensuring node image (kindest/node:v1.36.1) 🖼")
    say(" • Preparing nodes 📦   ...")
    machine().begin_cluster("kind", given.name)
    if machine().has_trouble("create"):
        say(" ✗ Preparing nodes 📦 ")
        say(f'Deleted nodes: ["{given.name}-control-plane"]')
        machine().remove_cluster("kind", given.name)
        fail(
            "ERROR: failed to create cluster: could not find a log line that matches "
            '"Reached target .*Multi-User System.*|detected cgroup v1"',
            1,
        )
    say(" ✓ Preparing nodes 📦 ")
    say(" ✓ Starting control-plane 🕹️")
    context = f"kind-{given.name}"
    merge_kubeconfig(kubeconfig(given.kubeconfig), machine().kubeconfig(context, context))
    say(f'Set kubectl context to "{context}"')


def delete_cluster(arguments: list[str]) -> None:
    flags = Flags()
    flags.values("--kubeconfig")
    flags.add_argument("-n", "--name", default="kind")
    given = flags.parse_args(arguments)
    say(f'Deleting cluster "{given.name}" ...')
    ask_docker(f'failed to delete cluster "{given.name}": error listing nodes: failed to list nodes', "ps -a")
    drop_from_kubeconfig(kubeconfig(given.kubeconfig), f"kind-{given.name}")
    if given.name in machine().clusters("kind"):
        say(f'Deleted nodes: ["{given.name}-control-plane"]')
    machine().remove_cluster("kind", given.name)


def load_image_archive(arguments: list[str]) -> None:
    flags = Flags()
    flags.values("--nodes")
    flags.add_argument("-n", "--name", default="kind")
    flags.add_argument("archives", nargs="+")
    given = flags.parse_args(arguments)
    if given.name not in machine().clusters("kind"):
        fail(f'ERROR: no nodes found for cluster "{given.name}"', 1)
    for archive in given.archives:
        try:
            machine().take_image("kind", given.name, Path(archive))
        except (OSError, tarfile.TarError, KeyError) as error:
            fail(f"ERROR: failed to load image: {error}", 1)


def kubeconfig(given: str | None) -> Path:
    return Path(given) if given else default_kubeconfig()
