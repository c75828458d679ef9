"""The machine that the stand-ins are on: its clusters, images and troubles, kept in a folder."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import yaml

FOLDER, UNDERNEATH = "STANDIN_FOLDER", "STANDIN_KUBECONFIG"
HELPERS = Path(__file__).parents[1]
DOCKER_DOWN = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
)
# program: the module that stands in for it
PROGRAMS = {
    **{name: name for name in ("minikube", "kind", "k3d", "k3s", "docker", "systemctl")},
    "k3s-killall.sh": "killall",
}
SCRIPT = """#!{python}
import sys
sys.path.insert(0, {helpers!r})
from fake_tools.machine import Machine
from fake_tools.{module} import main
Machine.of_environment().called({program!r}, sys.argv[1:])
main()
"""


class Machine:
    """underneath: the kubeconfig of the cluster that all clusters here really are."""

    def __init__(self, folder: Path, underneath: Path) -> None:
        self.folder, self.underneath = folder, underneath
        self.bin = folder / "bin"

    @classmethod
    def of_environment(cls) -> Machine:
        return cls(Path(os.environ[FOLDER]), Path(os.environ[UNDERNEATH]))

    # what a test does

    @property
    def environment(self) -> dict[str, str]:
        """PATH holds the stand-ins and nothing else."""
        return {"PATH": str(self.bin), FOLDER: str(self.folder), UNDERNEATH: str(self.underneath)}

    def install(self, *programs: str) -> None:
        self.bin.mkdir(exist_ok=True, parents=True)
        for program in programs:
            script = self.bin / program
            script.write_text(
                SCRIPT.format(
                    python=sys.executable, helpers=str(HELPERS), module=PROGRAMS[program], program=program
                )
            )
            script.chmod(0o755)

    def trouble(self, name: str) -> None:
        (self.folder / f"trouble-{name}").touch()

    def fix(self, name: str) -> None:
        (self.folder / f"trouble-{name}").unlink()

    def calls(self, program: str) -> list[list[str]]:
        """The arguments of each call of a program."""
        log = self.folder / "calls"
        called = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
        return [arguments for name, *arguments in called if name == program]

    # what the stand-ins do

    def called(self, program: str, arguments: list[str]) -> None:
        with (self.folder / "calls").open("a") as log:
            log.write(json.dumps([program, *arguments]) + "\n")

    def has_trouble(self, name: str) -> bool:
        return (self.folder / f"trouble-{name}").exists()

    def clusters(self, tool: str) -> list[str]:
        return sorted(path.name for path in self.folder.glob(f"{tool}/*"))

    def begin_cluster(self, tool: str, name: str) -> None:
        """From here on there is something of it; with the trouble `slow` it stays half made for long."""
        (self.folder / tool / name).mkdir(parents=True, exist_ok=True)
        if self.has_trouble("slow"):
            time.sleep(60)

    def remove_cluster(self, tool: str, name: str) -> None:
        shutil.rmtree(self.folder / tool / name, ignore_errors=True)

    def take_image(self, tool: str, name: str, archive: Path) -> None:
        """Raises OSError, tarfile.TarError or KeyError for what is no archive of `docker save`."""
        with tarfile.open(archive) as tar:
            member = tar.extractfile("manifest.json")
            assert member is not None
            tags = [tag for entry in json.load(member) for tag in entry["RepoTags"]]
        with (self.folder / tool / name / "images").open("a") as images:
            images.writelines(f"{tag}\n" for tag in tags)

    def images(self, tool: str, name: str) -> list[str]:
        file = self.folder / tool / name / "images"
        return file.read_text().split() if file.is_file() else []

    def kubeconfig(self, context: str, user: str) -> dict[str, object]:
        """For the cluster underneath, with a tool's own names."""
        real = yaml.safe_load(self.underneath.read_text())
        current = next(c["context"] for c in real["contexts"] if c["name"] == real["current-context"])
        cluster = next(c["cluster"] for c in real["clusters"] if c["name"] == current["cluster"])
        credentials = next(u["user"] for u in real["users"] if u["name"] == current["user"])
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {},
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
            "current-context": context,
        }


def default_kubeconfig() -> Path:
    """Where kubectl's library writes when nothing is named."""
    return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")


def merge_kubeconfig(path: Path, new: dict[str, object]) -> None:
    """As kubectl's library does: other entries stay, and the current context becomes the new one."""
    old = (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}
    merged = {**old, **new}
    for kind in ("clusters", "users", "contexts"):
        mine = new[kind]
        assert isinstance(mine, list)
        names = {entry["name"] for entry in mine}
        merged[kind] = [entry for entry in old.get(kind) or [] if entry["name"] not in names] + mine
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(merged))


def drop_from_kubeconfig(path: Path, context: str) -> None:
    if not path.is_file():
        return
    content = yaml.safe_load(path.read_text()) or {}
    for kind in ("clusters", "users", "contexts"):
        content[kind] = [entry for entry in content.get(kind) or [] if entry["name"] != context]
    if content.get("current-context") == context:
        content["current-context"] = ""
    path.write_text(yaml.safe_dump(content))


class Flags(argparse.ArgumentParser):
    """Refuses in cobra's way what it does not know."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        fail(f"Error: {message}", 1)

    def switch(self, *names: str) -> None:
        """A flag that is there or not, or says so: --wait, --wait=false."""
        self.add_argument(*names, nargs="?", const="true", default="")

    def values(self, *names: str) -> None:
        for name in names:
            self.add_argument(name)


def dispatch(commands: Mapping[tuple[str, ...], Callable[[list[str]], None]]) -> None:
    """Call the command that the arguments begin with."""
    arguments = sys.argv[1:]
    for words, command in commands.items():
        if tuple(arguments[: len(words)]) == words:
            command(arguments[len(words) :])
            return
    fail(f'Error: unknown command "{" ".join(arguments)}"', 1)


def fail(words: str, code: int) -> NoReturn:
    print(words, file=sys.stderr, flush=True)
    sys.exit(code)
