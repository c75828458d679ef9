"""The cluster on this machine: what tools print, which address pods reach, archives, and the words that are shown."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from byok8s import view
from byok8s.errors import InputError, InUse
from byok8s.local_cluster import address, images, nodes, state
from byok8s.local_cluster.drivers import k3d, kind, minikube
from byok8s.local_cluster.home import Home, home
from byok8s.local_cluster.state import ClusterState
from byok8s.local_cluster.status import ClusterStatus, shell_lines, status
from byok8s.local_cluster.tools import Answer, last_words


@pytest.mark.parametrize(
    ("output", "found"),
    [("", []), ("byok8s\n", ["byok8s"]), ("byok8s\nkind\n", ["byok8s", "kind"])],
)
def test_clusters_of_kind(output: str, found: list[str]) -> None:
    assert kind.clusters(output) == found


@pytest.mark.parametrize(
    ("output", "found"),
    [("[]\n", []), ('[{"name":"byok8s","nodes":[]},{"name":"other"}]\n', ["byok8s", "other"])],
)
def test_clusters_of_k3d(output: str, found: list[str]) -> None:
    assert k3d.clusters(output) == found


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ('{"invalid":[],"valid":[]}', []),
        ('{"invalid":null,"valid":[{"Name":"minikube","Status":"Skipped","Config":{}}]}', ["minikube"]),
        ('{"invalid":[{"Name":"byok8s","Config":null}],"valid":[{"Name":"a"}]}', ["a", "byok8s"]),
    ],
)
def test_profiles_of_minikube_valid_and_invalid(output: str, found: list[str]) -> None:
    assert minikube.profiles(output) == found


@pytest.mark.parametrize(
    ("image", "listed", "there"),
    [
        ("busybox", "docker.io/library/busybox:latest\n", True),
        ("busybox:1.36", "docker.io/library/busybox:latest\n", False),
        ("snakemake/snakemake:v9", "registry.k8s.io/pause:3.10\ndocker.io/snakemake/snakemake:v9\n", True),
        ("snakemake:v9", "docker.io/snakemake/not-snakemake:v9\n", False),
        ("localhost:5000/worker", "localhost:5000/worker:latest\n", True),
        ("localhost/byok8s/worker:rig", "localhost/byok8s/worker:rig\n", True),
        ("busybox", "", False),
    ],
)
def test_minikube_writes_the_names_of_images_out(image: str, listed: str, there: bool) -> None:
    assert minikube.has_image(listed, image) is there


@pytest.mark.parametrize(
    ("node_address", "pod_range", "sender", "expected"),
    [
        ("172.18.0.2", "10.244.0.0/24", "172.18.0.1", ""),  # kind: the node is a container
        ("192.168.1.7", "10.42.0.0/24", "192.168.1.7", "10.42.0.1"),  # k3s: it is this machine
        ("192.168.1.7", "", "192.168.1.7", ""),
        ("fd00::7", "fd42::/64", "fd00::7", "fd42::1"),
    ],
)
def test_pods_of_a_node_that_is_this_machine_reach_their_bridge(
    node_address: str, pod_range: str, sender: str, expected: str
) -> None:
    assert address.bridge(nodes.Node("n", True, node_address, pod_range), sender) == expected


def test_the_address_for_pods_is_the_one_that_this_machine_sends_from() -> None:
    assert address.for_pods(nodes.Node("n", True, "127.0.0.1", "")) == "127.0.0.1"
    assert address.for_pods(nodes.Node("n", True, "127.0.0.1", "127.0.0.8/29")) == "127.0.0.9"


@pytest.mark.parametrize(("asked", "ours"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_an_address_is_ours_where_it_can_be_listened_on(asked: str, ours: bool) -> None:
    assert address.is_ours(asked) is ours


def test_a_node_as_the_api_tells_it() -> None:
    node = nodes.read_node(
        {
            "metadata": {"name": "byok8s-control-plane"},
            "spec": {"podCIDR": "10.244.0.0/24"},
            "status": {
                "conditions": [
                    {"type": "DiskPressure", "status": "False"},
                    {"type": "Ready", "status": "True"},
                ],
                "addresses": [
                    {"type": "InternalIP", "address": "172.18.0.2"},
                    {"type": "Hostname", "address": "byok8s-control-plane"},
                ],
            },
        }
    )
    assert node == nodes.Node("byok8s-control-plane", True, "172.18.0.2", "10.244.0.0/24")


@pytest.mark.parametrize(
    ("cluster_nodes", "takes_pods", "ready"),
    [((), True, False), ((True,), True, True), ((True, False), True, False), ((True,), False, False)],
)
def test_a_cluster_is_ready_when_all_its_nodes_are_and_it_takes_pods(
    cluster_nodes: tuple[bool, ...], takes_pods: bool, ready: bool
) -> None:
    found = tuple(nodes.Node("n", is_ready, "", "") for is_ready in cluster_nodes)
    assert nodes.LocalCluster("c", "v1", found, takes_pods).ready is ready


def test_last_words_are_the_last_lines_that_say_something_without_colours() -> None:
    lines = [*map(str, range(9)), "", "\x1b[31mERROR\x1b[0m: no\n", "\n"]
    assert last_words(lines) == "5\n6\n7\n8\nERROR: no"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(1, "progress", "reason\n"), "reason"),
        (Answer(1, "reason", ""), "reason"),
        (Answer(7, "", "\n"), "exit code 7, without a word"),
    ],
)
def test_the_words_of_a_program_that_fails(answer: Answer, words: str) -> None:
    assert answer.words == words


def archive(path: Path, files: dict[str, object]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


ONE = {"Config": "blobs/sha256/1", "RepoTags": ["a:1"], "Layers": []}
TWO = {"Config": "blobs/sha256/2", "RepoTags": ["b:1", "b:2"], "Layers": []}
UNNAMED: dict[str, object] = {"Config": "blobs/sha256/3", "RepoTags": None, "Layers": []}


@pytest.mark.parametrize(
    ("manifest", "name", "expected"),
    [
        ([ONE], None, ("a:1", "blobs/sha256/1")),
        ([ONE, TWO], "b:2", ("b:2", "blobs/sha256/2")),
        ([UNNAMED, ONE], None, ("a:1", "blobs/sha256/1")),
    ],
)
def test_an_archive_of_images(
    manifest: object, name: str | None, expected: tuple[str, str], tmp_path: Path
) -> None:
    file = archive(tmp_path / "image.tar", {"manifest.json": manifest})
    found = images.read(file, name)
    assert (found.name, found.id, found.place) == (*expected, file)


@pytest.mark.parametrize(
    ("files", "name", "words"),
    [
        ({"manifest.json": [ONE, TWO]}, None, "does not hold one named image"),
        ({"manifest.json": [UNNAMED]}, None, "does not hold one named image"),
        ({"manifest.json": [ONE]}, "c", "does not hold the image c"),
        ({"manifest.json": {}}, "c", "does not hold the image c"),
        ({"manifest.json": 1}, None, "no image archive"),
        ({"other": 1}, None, "no image archive"),
    ],
)
def test_an_archive_that_cannot_be_used(
    files: dict[str, object], name: str | None, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        images.read(archive(tmp_path / "image.tar", files), name)


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_text("no")
    with pytest.raises(InputError, match="no image archive"):
        images.read(tmp_path / "image.tar", None)


def test_shell_lines_are_quoted_and_leave_no_other_keys() -> None:
    lines = shell_lines({"A": "plain", "B": "it's $(rm)"})
    shown = subprocess.run(
        ["sh", "-c", f'{lines}\nprintf "%s|%s|%s" "$A" "$B" "${{AWS_SESSION_TOKEN-none}}"'],
        env={"AWS_SESSION_TOKEN": "another's"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    assert shown == "plain|it's $(rm)|none"


def test_a_state_is_read_as_it_was_written_and_only_by_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    assert state.read(file) is None
    written = ClusterState(driver="kind", made=True, ready=True, image="a:1", loaded="sha256:1")
    state.write(file, written)
    assert state.read(file) == written
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_state_of_another_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"driver": "kind", "made": true, "colour": "red"}')
    with pytest.raises(InputError, match=r"state\.json"):
        state.read(tmp_path / "state.json")


def test_the_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert home().folder == tmp_path / "byok8s" / "cluster"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="XDG_STATE_HOME"), Home(tmp_path / "file" / "cluster").alone():
        pass


def test_one_at_a_time(tmp_path: Path) -> None:
    with Home(tmp_path).alone(), pytest.raises(InUse), Home(tmp_path).alone():
        pass
    with Home(tmp_path).alone():
        pass


def test_without_a_cluster_the_next_step_is_to_make_one(tmp_path: Path) -> None:
    found = status(Home(tmp_path))
    assert (found.problems, found.next) == (("There is no local cluster.",), "byok8s cluster up")
    assert view.local_cluster(found) == (
        "There is no local cluster.\n\nMake it, or what is missing of it:\n    byok8s cluster up"
    )


def test_what_is_shown_of_a_cluster() -> None:
    found = ClusterStatus(
        driver="kind",
        nodes=1,
        ready_nodes=1,
        kubernetes="v1.36.1",
        kubeconfig="/k",
        s3_endpoint_url="http://172.18.0.1:4711",
        bucket="local",
        image="worker:1",
    )
    assert view.local_cluster(found) == (
        "cluster:    kind, 1 of 1 nodes ready\n"
        "kubernetes: v1.36.1\n"
        "kubeconfig: /k\n"
        "bucket:     s3://local at http://172.18.0.1:4711\n"
        "image:      worker:1\n"
        "\n"
        "Run a workflow there:\n"
        '    eval "$(byok8s cluster env)" && byok8s WORKFLOW PARAMS'
    )
