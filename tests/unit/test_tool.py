"""The hand-over to the container of a rule's own image, both ends on this machine; and the pod that has one."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from byok8s.kube.objects import Json, Object, get_in, items, text
from byok8s.pods import manifest, outcome, tool
from byok8s.pods.cause import Cause
from byok8s.pods.manifest import PodSettings, Shape, worker_plan
from byok8s.pods.names import Names
from byok8s.pods.outcome import State
from byok8s.pods.pod_options import part_of_pod
from byok8s.worker import hand_over
from byok8s.worker import tool as worker_tool

SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
PRELUDE = "set -euo pipefail; "


class Pair:
    """Both ends. run: has a command run as Snakemake does."""

    def __init__(self, folder: Path, shell: list[str]) -> None:
        self.folder, self.own, self.shared = folder / "job", folder / "bin", folder / "tool"
        for each in (self.folder, self.own, self.shared):
            each.mkdir()
        shutil.copy(hand_over.__file__, self.own)
        (self.own / "image").write_text("i")
        (self.own / "own-variables").write_text("OF_WORKER\nPATH")
        for name in ("alive", "requests"):
            os.mkfifo(self.shared / name)
        self.alive = os.open(self.shared / "alive", os.O_RDONLY | os.O_NONBLOCK)
        self.requests = os.open(self.shared / "requests", os.O_RDWR)
        environment = {"PATH": os.environ["PATH"], "OF_IMAGE": "yes"}
        words = [*shell, "-c", tool.script(), "byok8s", str(self.shared)]
        self.server = subprocess.Popen(words, env=environment)

    def start(
        self, command: str, image: str = "i", shell: str = "bash", **variables: str
    ) -> subprocess.Popen[str]:
        words = ["exec", "--home", str(self.folder), image, shell, "-c", PRELUDE + command]
        program = [sys.executable, "-IS", str(self.own / "hand_over.py"), *words]
        return subprocess.Popen(
            program,
            cwd=self.folder,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, command: str, image: str = "i", shell: str = "bash", **variables: str
    ) -> tuple[int, str, str]:
        started = self.start(command, image, shell, **variables)
        out, err = started.communicate(timeout=30)
        return started.returncode, out, err


@pytest.fixture(params=[shell for shell in SHELLS if shutil.which(shell[0])], ids=" ".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    here = Pair(tmp_path, request.param)
    yield here
    os.write(here.requests, b"quit\n")
    assert here.server.wait(timeout=10) == 0
    for fd in (here.alive, here.requests):
        os.close(fd)


def test_a_command_runs_there_and_its_words_and_end_come_back(pair: Pair) -> None:
    assert pair.run("pwd; echo b >&2; exit 42") == (42, f"{pair.folder}\n", "b\n")
    assert pair.run("kill -9 $$")[0] == 137
    assert pair.run("false | true; echo no")[:2] == (1, "")
    assert pair.run("echo \"it's\" '$HOME' \\\\ ; head -c 300000 /dev/zero | tr '\\0' x")[1] == (
        "it's $HOME \\\n" + 300000 * "x"
    )
    assert {path.name for path in pair.shared.iterdir()} == {"alive", "requests"}
    assert pair.run("(sleep 5 &) ; echo done")[:2] == (0, "done\n")


def test_what_it_has_of_variables_is_the_workflows_and_the_images(pair: Pair) -> None:
    variables = {
        "OF_WORKER": "no",
        "AWS_SECRET_ACCESS_KEY": "no",
        "SAID": "it's\nso",
        "PYTHONPATH": "no",
        "APPTAINERENV_TOLD": "x",
        "HOME": "/elsewhere",
    }
    seen = 'echo ${OF_WORKER-} ${AWS_SECRET_ACCESS_KEY-} ${PYTHONPATH-} $OF_IMAGE $TOLD; echo "$SAID $HOME"'
    assert pair.run(seen, **variables) == (0, f"yes x\nit's\nso {pair.folder}\n", "")


def test_an_image_without_the_shell_and_another_image_are_told(pair: Pair) -> None:
    code, out, err = pair.run("echo x", shell="no-such-shell")
    assert (code, out, err) == (127, "", "byok8s: the rule's image has no no-such-shell\n")
    assert json.loads((pair.own / "noted").read_text()) == {"lacks": "no-such-shell"}
    code, out, err = pair.run("echo x", image="j")
    assert (code, out) == (125, "")
    assert "no container of the image j" in err


def test_a_container_that_ends_ends_the_command_too(pair: Pair) -> None:
    started = pair.start("echo begun; exec sleep 5")
    assert started.stdout
    assert started.stdout.readline() == "begun\n"
    server = pair.server.pid
    (number,) = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    os.kill(int(number), 9)  # its watcher, as the end of all of the container's processes would
    assert started.wait(timeout=30) == 137


CLOSED = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]  # in a PID namespace of its own


needs_namespaces = pytest.mark.skipif(
    subprocess.run([*CLOSED, "true"], check=False, capture_output=True).returncode != 0,
    reason="no PID namespace can be made here",
)


@needs_namespaces
@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell[0])], ids=" ".join)
def test_the_first_process_of_a_container_kills_whatever_runs_when_it_is_to_end(
    shell: list[str], tmp_path: Path
) -> None:
    pair = Pair(tmp_path, [*CLOSED, *shell])
    started = pair.start("trap '' TERM; (setsid sleep 30 &); echo begun; sleep 30")
    assert started.stdout
    assert started.stdout.readline() == "begun\n"
    started.terminate()  # is handed on, and ignored there
    os.write(pair.requests, b"quit\n")
    assert pair.server.wait(timeout=20) == 0
    assert started.wait(timeout=20) == 137
    started.stdout.close()
    poll = select.poll()
    poll.register(pair.alive, select.POLLHUP)
    assert poll.poll(0)


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's end, which is a module that knows its folders, in those of the pair."""
    monkeypatch.setattr(worker_tool, "SHARED", tmp_path / "tool")
    monkeypatch.setattr(worker_tool, "OWN", tmp_path / "bin")


@needs_namespaces
@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell[0])], ids=" ".join)
def test_nothing_that_a_job_has_left_reaches_the_next(shell: list[str], tmp_path: Path) -> None:
    pair = Pair(tmp_path, [*CLOSED, *shell])
    mark = tmp_path / "mark"
    left = (
        f"trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM; while :; do echo x >> {mark}; sleep 0.01; done' &)"
    )
    assert pair.run(f"{left}; until [ -s {mark} ]; do sleep 0.05; done; echo done")[1] == "done\n"
    assert worker_tool._clear(pair.alive) == "cleared"
    mark.unlink()
    time.sleep(0.2)
    assert not mark.exists()
    assert pair.run("echo again; exit 3")[:2] == (3, "again\n")
    assert worker_tool._clear(pair.alive) == "cleared"
    assert {path.name for path in pair.shared.iterdir()} == {"alive", "requests"}
    os.write(pair.requests, b"quit\n")
    assert pair.server.wait(timeout=20) == 0
    assert worker_tool._clear(pair.alive) == "gone"


@pytest.mark.usefixtures("ends")
def test_a_container_that_shares_its_processes_says_that_it_cannot_be_cleared(pair: Pair) -> None:
    started = pair.start("echo begun; sleep 1; echo over")
    assert started.stdout
    assert started.stdout.readline() == "begun\n"
    assert worker_tool._clear(pair.alive) == "cannot"
    assert started.communicate(timeout=30)[0] == "over\n"


# -- the pod --

NAMES = Names("20261122-193000-k3x9")
OWNER = manifest.owner_reference(NAMES, "uid-1")
SETTINGS = PodSettings("image:1", 1, {"AWS_REGION": "x"}, ["TOKEN"])


def pod(shape: Shape) -> Object:
    return manifest.pod(NAMES, OWNER, SETTINGS, worker_plan(NAMES, shape, 3))


def test_the_tool_has_the_jobs_share_and_no_credentials() -> None:
    said = {
        "spec": {
            "containers": [
                {
                    "name": "worker",
                    "resources": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}},
                    "volumeMounts": [
                        {"name": "data", "mountPath": "/data"},
                        {"name": "hidden", "mountPath": "/hidden"},
                    ],
                }
            ],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "c"}},
                {"name": "hidden", "secret": {"secretName": "s"}},
            ],
        }
    }
    made = pod(Shape(4, 8000, 3000, said=json.dumps(said), tool="debian:12"))
    worker, other = items(made, "spec", "containers")
    assert other["image"] == "debian:12"
    assert get_in(other, "resources", "limits") == {
        "cpu": "4",
        "memory": "8000M",
        "ephemeral-storage": "3000M",
        "nvidia.com/gpu": "1",
    }
    assert get_in(worker, "resources", "requests") == {"cpu": "50m", "memory": "300M"}
    assert get_in(worker, "resources", "limits") == {"cpu": "4", "memory": "8000M"}
    assert {entry["name"] for entry in items(other, "env")} == {"HOME", "USER"}
    assert [m["mountPath"] for m in items(other, "volumeMounts") if m["name"] != "work"] == ["/data"]
    assert get_in(other, "securityContext") == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert "secretKeyRef" not in json.dumps(other)
    assert get_in(made, "spec", "shareProcessNamespace") is False


def test_the_claim_of_inputs_is_the_workers_alone() -> None:
    settings = replace(SETTINGS, claim="references")
    made = manifest.pod(NAMES, OWNER, settings, worker_plan(NAMES, Shape(1, tool="debian:12"), 3))
    worker, other = items(made, "spec", "containers")
    (volume,) = [each for each in items(made, "spec", "volumes") if "persistentVolumeClaim" in each]
    assert get_in(volume, "persistentVolumeClaim") == {"claimName": "references"}
    mounts = [
        [
            text(each, "mountPath")
            for each in items(container, "volumeMounts")
            if each["name"] == volume["name"]
        ]
        for container in (worker, other)
    ]
    assert mounts == [[manifest.CLAIM_MOUNT], []]
    assert {"name": "BYOK8S_CLAIM", "value": manifest.CLAIM_MOUNT} in items(worker, "env")
    assert "BYOK8S_CLAIM" not in json.dumps(other)
    # as Kubernetes reads it
    assert str(get_in(other, "command", 2)).replace("$$", "$") == tool.script()


@pytest.mark.parametrize(
    ("said", "own", "wanted"),
    [
        ("", "", ("IfNotPresent", "IfNotPresent")),
        ("Always", "", ("Always", "Always")),
        ("Always", "Never", ("Always", "Never")),
        ("", "Always", ("IfNotPresent", "Always")),
    ],
)
def test_a_rules_policy_is_that_of_its_image_and_a_runs_of_both(
    said: str, own: str, wanted: tuple[str, str]
) -> None:
    options = json.dumps(part_of_pod({"image_pull_policy": said} if said else {}))
    containers = items(pod(Shape(1, said=options, tool="a:1", tool_policy=own)), "spec", "containers")
    assert tuple(each["imagePullPolicy"] for each in containers) == wanted


def test_a_small_jobs_worker_keeps_what_it_needs() -> None:
    worker, other = items(pod(Shape(1, 100, tool="a")), "spec", "containers")
    assert get_in(worker, "resources", "limits", "memory") == "300M"
    assert get_in(other, "resources", "limits", "memory") == "256M"


def status(tool: Json, worker: Json, phase: str = "Running") -> Object:
    states: list[Json] = [{"name": "tool", "state": tool}, {"name": "worker", "state": worker}]
    return {**pod(Shape(1, tool="a:1")), "status": {"phase": phase, "containerStatuses": states}}


def ended(code: int, reason: str = "Error", message: str = "") -> Json:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


SHELLLESS = 'runc create failed: exec: "/bin/sh": stat /bin/sh: no such file or directory'


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (ended(137, "OOMKilled"), Cause.OUT_OF_MEMORY),
        (ended(128, "StartError", SHELLLESS), Cause.CONTAINER_NO_SHELL),
        (ended(1, "Error", "exec /bin/sh: exec format error\n"), Cause.CONTAINER_PLATFORM),
        (ended(128, "StartError", "no space"), Cause.CONTAINER_CANNOT_START),
        (ended(137), Cause.WORKER_LOST),
    ],
)
def test_a_tool_that_ends_before_its_job_fails_it(found: Json, cause: Cause) -> None:
    told = outcome.outcome(status(found, {"running": {}}))
    assert (told.state, told.cause, told.lingers) == (State.FAILED, cause, True)
    assert outcome.outcome(status(found, ended(143), "Failed")).cause is cause


def test_the_digests_of_both_images_are_read_as_nodes_tell_them() -> None:
    a, b = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    found = {**pod(Shape(1, 500, tool="debian:12"))}
    for of_worker, of_tool in (
        (f"docker-pullable://docker.io/x@{a}", f"docker-pullable://debian@{b}"),
        (f"docker.io/x@{a}", f"docker.io/library/debian@{b}"),
        (a, b),
        (a, a),  # two names of one image
    ):
        statuses: list[Json] = [
            {"name": "tool", "imageID": of_tool, "state": {"running": {}}},
            {"name": manifest.CONTAINER, "imageID": of_worker, "state": {"running": {}}},
        ]
        running: Object = {**found, "status": {"phase": "Running", "containerStatuses": statuses}}
        assert outcome.outcome(running).images == {"image:1": a, "debian:12": b if b in of_tool else a}
    assert outcome.outcome({**found, "status": {"phase": "Running"}}).images == {}


def test_a_tool_that_ends_with_its_job_is_no_failure() -> None:
    assert outcome.outcome(status(ended(0), {"running": {}})).state is State.RUNNING
    assert outcome.outcome(status(ended(0), ended(1), "Failed")).cause is Cause.EXIT_CODE
    assert outcome.outcome(status(ended(137), ended(0), "Failed")).state is State.SUCCEEDED


def test_a_tool_whose_image_is_not_pulled_holds_up_the_pod() -> None:
    message = 'rpc error: failed to pull and unpack image "a:1": not found'
    found = outcome.outcome(
        status({"waiting": {"reason": "ImagePullBackOff", "message": message}}, {"running": {}}, "Pending")
    )
    assert (found.state, found.cause) == (State.STUCK, Cause.IMAGE_NOT_FOUND)
    assert "a:1" in found.why
