"""`byok8s cluster up` with each tool's stand-in, the rig underneath: the printed line runs a workflow there."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

import rig_control
from byok8s import s3
from fake_tools import docker
from fake_tools.machine import Machine
from folders import run_in
from local_cluster import KUBECONFIG, User
from sandbox import KUBECONFIG as RIG

SEED = Path(__file__).parents[2] / "examples" / "seed"
TOOLS = {
    "minikube": ("minikube",),
    "kind": ("kind",),
    "k3d": ("k3d",),
    "k3s": ("k3s", "systemctl", "k3s-killall.sh"),
}
BYOK8S = Path(sys.executable).parent


@pytest.fixture
def user(tmp_path: Path) -> User:
    rig_control.process("s3")  # pods of another cluster need not reach a server on this machine
    return User(tmp_path, Machine(tmp_path / "machine", Path(RIG)))


@pytest.mark.parametrize("driver", TOOLS)
def test_the_printed_line_runs_a_workflow(driver: str, user: User, tmp_path: Path) -> None:
    image = os.environ["BYOK8S_IMAGE"]
    user.machine.install(*TOOLS[driver], "docker")
    docker.has(user.machine.folder, image, "1")
    said = user.types("up", "--driver", driver, "--image", image)
    assert user.machine.images(driver, user.machine.clusters(driver)[0]) == [image]
    line = said.splitlines()[-1].strip().replace("WORKFLOW PARAMS", "workflow-zeta params-blue")
    folder = tmp_path / "seed"
    shutil.copytree(SEED, folder, ignore=shutil.ignore_patterns(".*"))

    shown = typed(line, folder, user)

    status = json.loads(user.types("status", "--json"))
    assert status["problems"] == []
    assert f"s3://local at {status['s3_endpoint_url']}" in shown
    assert status["context"] in shown
    assert in_bucket(user, status["s3_endpoint_url"], "zeta.txt").endswith(b"\nzeta blue\n")

    user.types("down", "--purge")
    assert user.machine.clusters(driver) == []
    assert not user.cluster.exists()
    assert user.kubeconfig.read_text() == KUBECONFIG
    until = time.monotonic() + 10
    while user.processes():
        assert time.monotonic() < until, user.processes()
        time.sleep(0.1)


def typed(line: str, folder: Path, user: User) -> str:
    """The line in a shell of the user, whose own current context leads nowhere."""
    environment = user.environment | {"PATH": f"{BYOK8S}:{user.machine.bin}:/usr/bin:/bin"}
    return run_in(folder, ["bash", "-c", line], environment)


def in_bucket(user: User, endpoint: str, key: str) -> bytes:
    kept = json.loads((user.cluster / "s3" / "keys.json").read_text())["identities"][0]["credentials"][0]
    client = s3.connect(endpoint, s3.Credentials(kept["accessKey"], kept["secretKey"]))
    return client.get_object(Bucket="local", Key=key)["Body"].read()
