"""A package of `byok8s package` as its user has it: built to a wheel, and installed where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from folders import clean_environment, run_in

ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


@dataclass(frozen=True)
class Installed:
    """project: its folder. command: what a shell runs. environment: beside the test's own."""

    project: Path
    command: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        folder: Path,
        *arguments: str,
        expect: int = 0,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Its output and errors, in `folder`. environment: all of it that byok8s, S3 or Kubernetes would take."""
        whole = {**clean_environment(), **self.environment, **environment}
        return run_in(folder, [str(self.command), *arguments], whole, expect)

    @property
    def python(self) -> Path:
        return self.command.with_name("python")


def install(workflow: Path, name: str, version: str, place: Path) -> Installed:
    """Package, build and install a workflow's folder into a new environment, in the versions that the tests have."""
    wheel = build(workflow, name, version, place)
    venv.create(place / "env", with_pip=True)
    python = place / "env" / "bin" / "python"
    constraints = place / "constraints.txt"
    constraints.write_text(_without_hashes((ROOT / "constraints.txt").read_text()))
    _python(python, *PIP, "install", "-c", str(constraints), f"{ROOT}[local]", str(wheel), "pytest")
    return Installed(place / name, python.with_name(name))


def install_beside(first: Installed, workflow: Path, name: str, version: str, place: Path) -> Installed:
    """Another version on the same machine, with the byok8s of the first."""
    wheel = build(workflow, name, version, place)
    _python(
        first.python,
        *PIP,
        "install",
        "--ignore-installed",
        "--no-deps",
        "--prefix",
        str(place / "env"),
        str(wheel),
    )
    packages = next((place / "env").rglob("site-packages"))
    return Installed(place / name, place / "env" / "bin" / name, {"PYTHONPATH": str(packages)})


def build(workflow: Path, name: str, version: str, place: Path) -> Path:
    """The wheel of a workflow's folder."""
    project = place / name
    _python(
        Path(sys.executable),
        *("-m", "byok8s", "package", str(workflow), "--name", name, "--version", version, "-o", str(project)),
    )
    # the build's own environment is this one, which has hatchling
    _python(
        Path(sys.executable),
        *PIP,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(place),
        str(project),
    )
    return next(place.glob("*.whl"))


def _python(python: Path, *arguments: str) -> None:
    done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _without_hashes(constraints: str) -> str:
    lines = (
        line.rstrip(" \\") for line in constraints.splitlines() if not line.lstrip().startswith(("--", "#"))
    )
    return "\n".join(lines)
