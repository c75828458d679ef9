"""What Snakemake's coming container plugin calls of Apptainer, built by the plugin itself, and handed over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from byok8s.pods import tool
from byok8s.worker import hand_over

HELPERS = Path(__file__).parents[1] / "helpers"
UV = [sys.executable, "-m", "uv", "--quiet"]
IMAGE = "docker.io/library/debian:12"


pytestmark = pytest.mark.xdist_group("container plugin")  # one makes its environment for the others


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the plugin, which wants other versions than Snakemake 9 has."""
    place = tmp_path_factory.mktemp("plugin") / "venv"
    subprocess.run([*UV, "venv", str(place)], check=True)
    asked = ["--require-hashes", "--requirement", str(HELPERS / "container-plugin.txt")]
    subprocess.run([*UV, "pip", "install", "--python", str(place), *asked], check=True)
    return place / "bin/python"


class Seam:
    """A program named apptainer, which is the hand-over, and the container that it hands over to."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.job, self.own, self.shared = folder / "job", folder / "bin", folder / "tool"
        for each in (self.job, self.job / "tmp", self.own, self.shared):
            each.mkdir()
        program = Path(hand_over.__file__).read_text()
        (self.own / "apptainer").write_text(f"#!{sys.executable} -IS\n{program}")
        (self.own / "apptainer").chmod(0o755)
        (self.own / "image").write_text(IMAGE)
        (self.own / "own-variables").write_text("PATH")
        for name in ("alive", "requests"):
            os.mkfifo(self.shared / name)
        self.alive = os.open(self.shared / "alive", os.O_RDONLY | os.O_NONBLOCK)
        self.requests = os.open(self.shared / "requests", os.O_RDWR)
        self.environment = os.environ | {"PATH": f"{self.own}:{os.environ['PATH']}"}
        self.python = python
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        command = ["bash", "-c", tool.script(), "byok8s", str(self.shared)]
        self.server = subprocess.Popen(command, env=own)

    def command(self, command: str, *more: str, image: str = "docker://debian:12", **variables: str) -> str:
        """Return what the plugin makes of a command. more: names of variables, and mounts."""
        program = str(HELPERS / "container_plugin.py")
        words = [str(self.python), program, command, image, str(self.job), *more]
        return subprocess.check_output(
            words, cwd=self.job, env=self.environment | variables, text=True
        ).strip()

    def run(self, command: str, **variables: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.own,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def seam(tmp_path: Path, python: Path) -> Iterator[Seam]:
    here = Seam(tmp_path, python)
    yield here
    os.write(here.requests, b"quit\n")
    assert here.server.wait(timeout=10) == 0
    for fd in (here.alive, here.requests):
        os.close(fd)


def test_the_plugins_command_runs_in_the_container(seam: Seam) -> None:
    command = seam.command("pwd; echo \"it's\" '$HOME' >&2; exit 42")
    assert command.split()[:2] == ["apptainer", "exec"]
    assert f"--cwd '{seam.job}'" in command
    assert seam.run(command) == (42, f"{seam.job}\n", "it's $HOME\n")


@pytest.mark.parametrize(
    "image", ["docker://debian:12", "debian:12", "docker://docker.io/library/debian:12", "library/debian:12"]
)
def test_an_image_may_be_named_as_a_rule_names_it(seam: Seam, image: str) -> None:
    assert seam.run(seam.command("echo there", image=image)) == (0, "there\n", "")


def test_variables_that_the_plugin_passes_are_there_but_for_keys(seam: Seam) -> None:
    variables = {"SAID": "so", "MORE": "a=b", "AWS_SECRET_ACCESS_KEY": "no", "HOME": "/elsewhere"}
    command = seam.command(
        "echo $SAID $MORE ${AWS_SECRET_ACCESS_KEY-} $HOME", ",".join(variables), **variables
    )
    assert "--env" in command
    code, out, err = seam.run(command, HOME="/x")
    assert (code, out, err) == (0, f"so a=b {seam.own}\n", "")


@pytest.mark.parametrize(
    ("variables", "mounts", "image", "words"),
    [
        ("", "/data:/mnt/data", "docker://debian:12", "cannot have /data at /mnt/data (--bind)"),
        (
            "",
            "/no-such-folder:/no-such-folder",
            "docker://debian:12",
            "this pod has no /no-such-folder (--bind)",
        ),
        ("SAID", "", "docker://debian:12", "the value of SAID has one"),
        ("", "", "library://debian:12", "nodes take no images by library://"),
        ("", "", "docker://debian:13", "no container of the image docker.io/library/debian:13"),
    ],
)
def test_what_is_not_translated_is_refused_by_name(
    seam: Seam, variables: str, mounts: str, image: str, words: str
) -> None:
    command = seam.command("touch ran", variables, mounts, image=image, SAID="one,secret")
    code, out, err = seam.run(command, SAID="one,secret")
    assert (code, out) == (125, "")
    assert words in err
    assert "secret" not in err
    assert not (seam.job / "ran").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("exec --nv docker://debian:12 sh -c true", "its option --nv"),
        ("exec --cwd=/tmp docker://debian:12 sh -c true", "its option --cwd=/tmp"),
        ("pull x.sif docker://debian:12", "`pull`"),
        ("exec docker://debian:12", "no command after the image"),
    ],
)
def test_other_calls_of_apptainer_are_refused_by_name(seam: Seam, words: str, named: str) -> None:
    code, out, err = seam.run(f"apptainer {words}")
    assert (code, out) == (125, "")
    assert named in err
