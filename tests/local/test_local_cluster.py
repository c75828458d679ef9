"""`byok8s cluster` with stand-ins of the tools and of the API, and the real S3 server."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from answering import Answer, Request, answering
from byok8s import s3
from byok8s.local_cluster import s3_process
from fake_tools import docker
from fake_tools.machine import Machine
from local_cluster import KUBECONFIG, User
from processes import command_line

TOOLS = {
    "minikube": ("minikube",),
    "kind": ("kind",),
    "k3d": ("k3d",),
    "k3s": ("k3s", "systemctl", "k3s-killall.sh"),
}
IMAGE = "localhost/byok8s/worker:rig"


def api(request: Request) -> Answer:
    """A cluster of one node, which is this machine."""
    node = {
        "metadata": {"name": "node"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        },
    }
    answers: dict[str, object] = {
        "/version": {"gitVersion": "v1.36.1"},
        "/api/v1/nodes": {"items": [node]},
        "/api/v1/namespaces/default/serviceaccounts/default": {},
    }
    return Answer(200, answers[request.path])


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with answering(api) as served:
        underneath = tmp_path / "underneath"
        context = {"name": "u", "context": {"cluster": "u", "user": "u"}}
        underneath.write_text(
            yaml.safe_dump(
                {
                    "clusters": [{"name": "u", "cluster": {"server": served.url}}],
                    "users": [{"name": "u", "user": {}}],
                    "contexts": [context],
                    "current-context": "u",
                }
            )
        )
        machine = Machine(tmp_path / "machine", underneath)
        machine.install()
        user = User(tmp_path, machine)
        yield user
        s3_process.stop(user.cluster / "s3")
        await_(lambda: not user.processes())


def endpoint(said: str) -> str:
    found = re.search(r"^bucket: +s3://local at (\S+)$", said, re.MULTILINE)
    assert found, said
    return found[1]


@pytest.mark.parametrize("driver", TOOLS)
def test_up_status_env_down(driver: str, user: User) -> None:
    user.machine.install(*TOOLS[driver])
    said = user.types("up", "--driver", driver)
    assert f"cluster:    {driver}, 1 of 1 nodes ready\n" in said
    assert said.endswith('    eval "$(byok8s cluster env)" && byok8s WORKFLOW PARAMS\n')
    assert len(user.machine.clusters(driver)) == 1

    status = json.loads(user.types("status", "--json"))
    assert (status["driver"], status["nodes"], status["ready_nodes"]) == (driver, 1, 1)
    assert (status["s3_endpoint_url"], status["problems"]) == (endpoint(said), [])
    assert user.types("status") == said[said.index("cluster:  ") :]

    lines = dict(line.removeprefix("export ").split("=", 1) for line in user.types("env").splitlines()[:-1])
    keys = s3.Credentials(lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"])
    s3.check_bucket(s3.Bucket(lines["BYOK8S_S3_BUCKET"], endpoint_url=lines["BYOK8S_S3_ENDPOINT_URL"]), keys)
    ours = yaml.safe_load(Path(lines["KUBECONFIG"]).read_text())
    assert ours["current-context"] == lines["BYOK8S_CONTEXT"]

    assert stat.S_IMODE(user.cluster.stat().st_mode) == 0o700
    assert stat.S_IMODE((user.cluster / "s3" / "keys.json").stat().st_mode) == 0o600
    assert len(user.processes()) == 3  # ours, the guard, the server
    assert not any(keys.secret_key in command_line(pid) for pid in user.processes())

    user.types("down", "--purge")
    assert user.machine.clusters(driver) == []
    await_(lambda: not user.processes())
    assert not user.cluster.exists()
    assert user.kubeconfig.read_text() == KUBECONFIG


def test_what_the_user_has_named_in_kubeconfig_is_not_touched_either(user: User, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text(KUBECONFIG)
    user.machine.install("kind")
    for words in (("up",), ("status",), ("down",)):
        user.types(*words, KUBECONFIG=str(named))
    assert named.read_text() == user.kubeconfig.read_text() == KUBECONFIG


def test_a_second_up_is_at_once_and_changes_nothing(user: User) -> None:
    user.machine.install("kind", "docker")
    docker.has(user.machine.folder, IMAGE, "abc")
    began = time.monotonic()
    user.types("up", "--image", IMAGE)
    first = time.monotonic() - began
    before = {file: file.stat().st_mtime_ns for file in user.cluster.iterdir() if file.name != "state.json"}
    calls, processes = user.machine.calls("kind"), user.processes()
    began = time.monotonic()
    said = user.types("up")
    assert time.monotonic() - began < first
    assert said.startswith("cluster:")
    assert user.machine.calls("kind") == calls
    assert user.processes() == processes
    assert before == {file: file.stat().st_mtime_ns for file in before}


def test_the_image_is_put_into_the_cluster_again_only_when_it_is_another(user: User) -> None:
    user.machine.install("k3d", "docker")
    docker.has(user.machine.folder, IMAGE, "abc")
    assert f"image:      {IMAGE}\n" in user.types("up", "--image", IMAGE)
    assert user.machine.images("k3d", "byok8s") == [IMAGE]
    assert f"export BYOK8S_IMAGE={IMAGE}\n" in user.types("env")
    docker.has(user.machine.folder, IMAGE, "def")
    user.types("up")
    assert user.machine.images("k3d", "byok8s") == [IMAGE, IMAGE]


def test_an_image_that_cannot_be_saved_is_said_and_can_be_tried_again(user: User) -> None:
    user.machine.install("kind", "docker")
    docker.has(user.machine.folder, IMAGE, "abc")
    user.machine.trouble("disk-full")
    said = " ".join(user.types("up", "--image", IMAGE, expect=3).split())
    assert f"`docker save {IMAGE}` failed with exit code 1. write /dev/stdout: no space left" in said
    user.machine.fix("disk-full")
    user.types("up", "--image", IMAGE)
    assert user.machine.images("kind", "byok8s") == [IMAGE]


def test_an_image_of_an_archive(user: User, tmp_path: Path) -> None:
    user.machine.install("minikube")
    (tmp_path / "image.tar").write_bytes(docker.archive([IMAGE], "abc"))
    said = user.types("up", "--image-archive", str(tmp_path / "image.tar"))
    assert f"image:      {IMAGE}\n" in said
    assert user.machine.images("minikube", "byok8s") == [IMAGE]


def test_an_image_that_minikube_did_not_load_is_said(user: User, tmp_path: Path) -> None:
    user.machine.install("minikube")
    user.machine.trouble("load")
    (tmp_path / "image.tar").write_bytes(docker.archive([IMAGE], "abc"))
    said = user.types("up", "--image-archive", str(tmp_path / "image.tar"), expect=3)
    assert f"minikube did not load the image {IMAGE}" in said


def test_nothing_installed(user: User) -> None:
    said = user.types("up", expect=3)
    assert said.startswith("byok8s: No local cluster can be made here.\n")
    for driver, page in {
        "minikube": "minikube.sigs.k8s.io",
        "kind": "kind.sigs.k8s.io",
        "k3d": "k3d.io",
        "k3s": "docs.k3s.io",
    }.items():
        assert re.search(rf"^  {driver}: not installed; see https://{re.escape(page)}/", said, re.MULTILINE)
    assert "--local" in said


@pytest.mark.parametrize("driver", ["minikube", "kind", "k3d"])
def test_docker_that_does_not_run_is_said_in_the_tools_words(driver: str, user: User) -> None:
    user.machine.install(driver)
    user.machine.trouble("docker-down")
    said = user.types("up", "--driver", driver, expect=3)
    assert said.startswith(f"byok8s: {driver} cannot make a cluster here.\n")
    assert re.search("docker service isn't running|Is the docker daemon running", " ".join(said.split()))
    assert user.machine.clusters(driver) == []


def test_the_first_tool_that_can_work_is_taken(user: User) -> None:
    user.machine.install("kind", *TOOLS["k3s"])
    user.machine.trouble("docker-down")
    assert "cluster:    k3s, 1 of 1 nodes ready" in user.types("up")


def test_k3s_that_is_no_service_cannot_be_used(user: User) -> None:
    user.machine.install(*TOOLS["k3s"])
    user.machine.trouble("no-service")
    assert "it is no service here: No files found for k3s.service." in user.types("up", expect=3)


def test_k3s_that_ran_before_stays(user: User) -> None:
    user.machine.install(*TOOLS["k3s"])
    user.machine.begin_cluster("k3s", "k3s.service")
    user.types("up")
    assert "k3s.service ran before `byok8s cluster up`, and stays." in user.types("down")
    assert user.machine.clusters("k3s") == ["k3s.service"]
    assert user.machine.calls("k3s-killall.sh") == []


def test_minikubes_driver_none_has_minikubes_own_profile(user: User) -> None:
    user.machine.install("minikube")
    user.types("up", "--minikube-driver", "none")
    assert user.machine.clusters("minikube") == ["minikube"]
    assert "already, made with minikube, its driver none" in user.types("up", "--driver", "kind", expect=2)
    user.types("down")
    assert user.machine.clusters("minikube") == []


@pytest.mark.parametrize(
    ("driver", "removal"),
    [
        ("minikube", "minikube delete --profile byok8s"),
        ("kind", "kind delete cluster --name byok8s"),
        ("k3d", "k3d cluster delete byok8s"),
    ],
)
def test_a_cluster_of_our_name_that_we_did_not_make_is_left_alone(
    driver: str, removal: str, user: User
) -> None:
    user.machine.install(driver)
    user.machine.begin_cluster(driver, "byok8s")
    said = user.types("up", expect=3)
    assert f"{driver} has a cluster named byok8s that byok8s knows nothing of" in said
    assert f"  If you do not need it: {removal}\n" in said
    assert "There is no local cluster." in user.types("down")
    assert user.machine.clusters(driver) == ["byok8s"]


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("minikube", "X Exiting due to GUEST_PROVISION"),
        ("kind", "ERROR: failed to create cluster: could not find a log line"),
        ("k3d", "Cluster creation FAILED, all changes have been rolled back!"),
        ("k3s", 'See "systemctl status k3s.service"'),
    ],
)
def test_a_tool_that_fails_leaves_its_last_words_and_nothing_else(
    driver: str, words: str, user: User
) -> None:
    user.machine.install(*TOOLS[driver])
    user.machine.trouble("create")
    said = user.types("up", expect=3)
    report = said[said.index("byok8s: `") :]
    assert words in " ".join(report.split())
    assert "Nothing of it is left." in report
    assert user.machine.clusters(driver) == []
    user.machine.fix("create")
    user.types("up")


def test_what_cannot_be_removed_after_a_failure_is_named(user: User) -> None:
    user.machine.install("minikube")
    user.machine.trouble("create")
    user.machine.trouble("delete")
    said = " ".join(user.types("up", expect=3).split())
    assert "could not be removed: `minikube delete --profile byok8s` failed" in said
    assert "`byok8s cluster down` tries again" in said
    user.machine.fix("delete")
    user.types("down")
    assert user.machine.clusters("minikube") == []


def test_an_up_that_was_killed_half_way_is_fixed(user: User) -> None:
    user.machine.install("minikube")
    user.machine.trouble("slow")
    first = user.start("up")
    await_(lambda: bool(user.machine.clusters("minikube")))
    assert "Another `byok8s cluster up` or `down` is at work." in user.types("up", expect=3)
    tool = children(first.pid)
    first.kill()
    first.communicate()
    for process in tool:
        os.kill(process, signal.SIGKILL)
    user.machine.fix("slow")
    said = user.types("status", expect=3)
    assert "`byok8s cluster up` did not come to its end." in said
    assert said.endswith("    byok8s cluster up\n")
    assert "what it left is removed" in user.types("up")
    user.types("status")


def test_an_s3_server_that_died_is_noticed_and_started_again_with_its_data(user: User) -> None:
    user.machine.install("kind")
    where = endpoint(user.types("up"))
    os.kill(server(user), signal.SIGKILL)
    await_(lambda: not user.processes())
    said = user.types("status", expect=3)
    assert "The S3 server cannot be used: it does not run." in said
    assert "false" in user.types("env", expect=3).splitlines()
    keys = (user.cluster / "s3" / "keys.json").read_text()
    assert endpoint(user.types("up")) == where
    assert (user.cluster / "s3" / "keys.json").read_text() == keys


def test_a_port_that_is_taken_meanwhile_is_replaced_and_said(user: User) -> None:
    user.machine.install("kind")
    where = urlsplit(endpoint(user.types("up")))
    user.types("down")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((where.hostname, where.port))
        other.listen()
        said = user.types("up")
    assert endpoint(said) != where.geturl()
    assert f"It was at {where.geturl()}: another program has its port now." in said


def test_the_bucket_outlives_down_and_not_purge(user: User) -> None:
    user.machine.install("kind")
    user.types("up")
    put(user, b"kept")
    assert "--purge" in user.types("down")
    user.types("up")
    assert get(user) == b"kept"
    assert "What was in the bucket is removed." in user.types("down", "--purge")
    user.types("up")
    with pytest.raises(Exception, match="NoSuchKey"):
        get(user)


def test_down_when_nothing_is_up(user: User) -> None:
    assert user.types("down") == "There is no local cluster.\n"
    assert "There is no local cluster." in user.types("status", expect=3)
    assert user.types("env", expect=3).startswith("false\n")


@pytest.mark.parametrize("driver", ["kind", "k3d"])
def test_what_cannot_be_asked_is_not_taken_for_gone(driver: str, user: User) -> None:
    user.machine.install(driver)
    user.types("up")
    user.machine.trouble("docker-down")
    assert "Is the docker daemon running?" in " ".join(user.types("down", expect=3).split())
    user.machine.fix("docker-down")
    user.types("down")
    assert user.machine.clusters(driver) == []


def test_another_driver_than_that_of_the_cluster_is_refused(user: User) -> None:
    user.machine.install("kind", "k3d")
    user.types("up", "--driver", "kind")
    said = user.types("up", "--driver", "k3d", expect=2)
    assert "There is a local cluster already, made with kind." in said


def put(user: User, body: bytes) -> None:
    client, bucket = opened(user)
    client.put_object(Bucket=bucket, Key="key", Body=body)


def get(user: User) -> bytes:
    client, bucket = opened(user)
    return client.get_object(Bucket=bucket, Key="key")["Body"].read()


def opened(user: User) -> tuple[s3.S3Client, str]:
    status = json.loads(user.types("status", "--json"))
    key = json.loads((user.cluster / "s3" / "keys.json").read_text())["identities"][0]["credentials"][0]
    keys = s3.Credentials(key["accessKey"], key["secretKey"])
    return s3.connect(status["s3_endpoint_url"], keys), status["bucket"]


def server(user: User) -> int:
    """The process that `up` left."""
    return int((user.cluster / "s3" / "lock").read_text())


def children(pid: int) -> list[int]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in file.read_text().split()]


def await_(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)
