"""k3d v5.9: k3d-io/k3d, cmd/cluster/cluster{Create,Start,List,Delete}.go, cmd/kubeconfig/kubeconfigGet.go,
cmd/image/imageImport.go, cmd/util/ports.go (what --api-port takes), pkg/client/kubeconfig.go (context k3d-NAME, user
admin@k3d-NAME; `cluster delete` also rewrites the default kubeconfig). Its logger is logrus, on standard error for a
failure and standard output else.
"""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import yaml

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
            ("cluster", "list"): cluster_list,
            ("cluster", "create"): cluster_create,
            ("cluster", "start"): cluster_start,
            ("cluster", "delete"): cluster_delete,
            ("kubeconfig", "get"): kubeconfig_get,
            ("image", "import"): image_import,
        }
    )


def info(words: str) -> None:
    print(f"INFO[0000] {words}", flush=True)


def fatal(words: str) -> None:
    fail(f"FATA[0000] {words}", 1)


def ask_docker() -> None:
    if machine().has_trouble("docker-down"):
        fatal(
            "runtime failed to list nodes: docker failed to get containers with labels 'map[app:k3d]': "
            f"failed to list containers: {DOCKER_DOWN} "
        )


def cluster_list(arguments: list[str]) -> None:
    flags = Flags()
    flags.switch("--no-headers")
    flags.switch("--token")
    flags.add_argument("-o", "--output")
    assert flags.parse_args(arguments).output == "json", "only JSON is stood in for"
    ask_docker()
    server = {"role": "server", "State": {"Running": True, "Status": "running"}}
    print(
        json.dumps(
            [
                {
                    "name": name,
                    "network": {"name": f"k3d-{name}", "id": "5e3f", "ipam": {"ipPrefix": "172.19.0.0/16"}},
                    "nodes": [{"name": f"k3d-{name}-server-0", **server}],
                    "serversRunning": 1,
                    "serversCount": 1,
                    "agentsRunning": 0,
                    "agentsCount": 0,
                    "hasLoadbalancer": True,
                }
                for name in machine().clusters("k3d")
            ]
        )
    )


def cluster_create(arguments: list[str]) -> None:
    flags = Flags()
    flags.values("--api-port", "--network", "--image", "--timeout", "--servers", "--agents", "--k3s-arg")
    for name in ("--wait", "--no-lb", "--no-rollback", "--kubeconfig-switch-context"):
        flags.switch(name)
    flags.add_argument("--kubeconfig-update-default", nargs="?", const="true", default="true")
    flags.add_argument("name", nargs="?", default="k3s-default")
    given = flags.parse_args(arguments)
    if given.api_port and not re.fullmatch(r"(\S+:)?(\d{1,5}|random)", given.api_port):
        fatal(
            f"failed to parse API Port spec: failed to parse Port Exposure specification '{given.api_port}'"
        )
    ask_docker()
    if given.name in machine().clusters("k3d"):
        fatal(f"Failed to create cluster '{given.name}' because a cluster with that name already exists")
    info("Prep: Network")
    info(f"Created network 'k3d-{given.name}'")
    info(f"Creating node 'k3d-{given.name}-server-0'")
    machine().begin_cluster("k3d", given.name)
    if machine().has_trouble("create"):
        machine().remove_cluster("k3d", given.name)
        fail(
            "ERRO[0014] Failed Cluster Start: Failed to start server k3d-byok8s-server-0: Node "
            "k3d-byok8s-server-0 failed to get ready: error waiting for log line `k3s is up and running`\n"
            "ERRO[0014] Failed to create cluster >>> Rolling Back\n"
            "FATA[0015] Cluster creation FAILED, all changes have been rolled back!",
            1,
        )
    info(f"Cluster '{given.name}' created successfully!")
    if given.kubeconfig_update_default == "true":
        merge_kubeconfig(default_kubeconfig(), names(given.name))
    info("You can now use it like this:")
    print("kubectl cluster-info")


def cluster_start(arguments: list[str]) -> None:
    flags = Flags()
    flags.switch("--wait")
    flags.values("--timeout")
    flags.add_argument("name")
    given = flags.parse_args(arguments)
    ask_docker()
    if given.name not in machine().clusters("k3d"):
        fatal("No nodes found for given cluster")
    info(f"Started cluster '{given.name}'")


def cluster_delete(arguments: list[str]) -> None:
    flags = Flags()
    flags.switch("--all")
    flags.add_argument("name")
    given = flags.parse_args(arguments)
    ask_docker()
    if given.name not in machine().clusters("k3d"):
        info(f"No nodes found for cluster '{given.name}', nothing to delete.")
        info("No clusters found")
        return
    info(f"Deleting cluster '{given.name}'")
    machine().remove_cluster("k3d", given.name)
    info("Removing cluster details from default kubeconfig...")
    drop_from_kubeconfig(default_kubeconfig(), f"k3d-{given.name}")
    info("Removing standalone kubeconfig file (if there is one)...")
    info(f"Successfully deleted cluster {given.name}!")


def kubeconfig_get(arguments: list[str]) -> None:
    flags = Flags()
    flags.switch("--all")
    flags.add_argument("name")
    given = flags.parse_args(arguments)
    ask_docker()
    if given.name not in machine().clusters("k3d"):
        fatal("No nodes found for given cluster")
    print("---")
    print(yaml.safe_dump(names(given.name)), end="")


def image_import(arguments: list[str]) -> None:
    flags = Flags()
    flags.add_argument("-c", "--cluster", default="k3s-default")
    flags.add_argument("-m", "--mode", default="tools-node")
    flags.add_argument("images", nargs="+")
    given = flags.parse_args(arguments)
    info(f"Importing image(s) into cluster '{given.cluster}'")
    for image in given.images:
        try:
            machine().take_image("k3d", given.cluster, Path(image))
        except (OSError, tarfile.TarError, KeyError) as error:
            fail(
                f"ERRO[0000] Failed to import image(s) into cluster '{given.cluster}': {error}\n"
                "WARN[0000] At least one error occured while trying to import the image(s) into the selected "
                "cluster(s)",
                1,
            )
    info(f"Successfully imported {len(given.images)} image(s) into 1 cluster(s)")


def names(cluster: str) -> dict[str, object]:
    return machine().kubeconfig(f"k3d-{cluster}", f"admin@k3d-{cluster}")
