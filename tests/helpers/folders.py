"""Folders that tests fill, and programs that they run there as a user does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import preloaded


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """By their paths in the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def clean_environment() -> dict[str, str]:
    """The test's own, without what byok8s, S3 or Kubernetes would take."""
    ours = ("BYOK8S_", "AWS_", "KUBE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def run_in(folder: Path, command: Sequence[str], environment: Mapping[str, str], expect: int = 0) -> str:
    """A program's output and errors, after a check of its exit code."""
    code, said = output_of(folder, command, environment)
    print(said)
    assert code == expect, said
    assert "Traceback" not in said
    return said


def output_of(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """A program's exit code, and its output and errors."""
    if preloaded.can_run(command, environment):
        return preloaded.run(folder, command, environment)
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def start_in(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """A program that has been started, whose output and errors can be read."""
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
