"""A workflow's folder and how it is run; and what a run of it, by whatever program, left."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BENCHMARK: Final = b"s\th:m:s\t"
# what the programs themselves keep in a working folder, and what is no part of a workflow
NOT_RESULTS = frozenset(
    {".snakemake", ".snakemake_timestamp", ".byok8s", ".git", "__pycache__", "expected-results"}
)
PATIENCE_SECONDS = 15  # for a program that was interrupted
# what upstream's tests have in their environment
VARIABLES = {
    "TESTVAR": "test",
    "TESTVAR2": "test",
    "TEST_ENV_VAR": "test",
    "TEST_ENV_VAR2": "test",
    "SNAKEMAKE_OUTPUT_CACHE": "cache",
}


@dataclass(frozen=True)
class Workflow:
    """A folder with a workflow, and the command that runs it.

    folder: never written to. flags: of Snakemake. fails: whether a right run fails. start: the folder of it in which
    the command is given. directory: the one in which Snakemake works, with `workdir:` or --directory; keys are relative
    to it.
    """

    folder: Path
    targets: Sequence[str] = ()
    snakefile: str | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    flags: Sequence[str] = ()
    cores: int = 3
    fails: bool = False
    start: str = ""
    directory: str = ""

    def keyed(self, digests: Mapping[str, str]) -> dict[str, str]:
        """Return the same with keys instead of paths; without what is outside of where Snakemake works."""
        beginning = self.directory or self.start
        if not beginning:
            return dict(digests)
        return {
            path.removeprefix(f"{beginning}/"): value
            for path, value in digests.items()
            if path.startswith(f"{beginning}/")
        }


@dataclass(frozen=True)
class Ended:
    """How a program ended. code: None when its time was over."""

    code: int | None
    words: str
    seconds: float

    def as_it_should(self, workflow: Workflow) -> bool:
        return self.code is not None and (self.code != 0) == workflow.fails


def copy(workflow: Workflow, place: Path) -> Path:
    """Copy the workflow into a new folder, without the results that are expected of it."""
    ignored = shutil.ignore_patterns(*NOT_RESULTS)
    shutil.copytree(workflow.folder, place, symlinks=True, ignore=ignored)
    return place


def files(folder: Path) -> Iterator[Path]:
    """Yield the files of a working folder, relative to it; links to folders are followed only within."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_RESULTS]
        yield from (Path(place, name).relative_to(folder) for name in names if name not in NOT_RESULTS)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Return each readable file of a folder with the digest of its content."""
    return {
        str(path): digest((folder / path).read_bytes()) for path in files(folder) if _readable(folder / path)
    }


def measured(folder: Path) -> list[str]:
    """Return the files of a folder that are benchmarks, by what Snakemake writes into them first."""
    readable = (path for path in files(folder) if _readable(folder / path))
    return [str(path) for path in readable if (folder / path).read_bytes().startswith(BENCHMARK)]


def _readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def environment(home: Path, own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a run: this one without what would configure it, and with a home of its own."""
    foreign = ("BYOK8S_", "AWS_", "KUBE", "SNAKEMAKE_", "PYTHONPATH", "XDG_", "CI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    home.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([sysconfig.get_path("scripts"), kept.get("PATH", os.defpath)])
    return {**kept, **VARIABLES, "PATH": path, "HOME": str(home), **own}


def execute(command: Sequence[str], folder: Path, variables: Mapping[str, str], seconds: float) -> Ended:
    """Run a program in a folder; interrupt it as Ctrl-C does when its time is over."""
    began = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            words, _ = process.communicate(timeout=seconds)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            words, code = _end(process), None
    return Ended(code, words, round(time.monotonic() - began, 1))


def _end(process: subprocess.Popen[str]) -> str:
    """End a program and all that it has started; return what it said."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        return process.communicate(timeout=PATIENCE_SECONDS)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]
