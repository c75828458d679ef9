"""What of a workflow's files Snakemake has registered as sources; by paths relative to the working folder.

Snakemake's own DAG.get_sources does this too, but cannot be used where git is not installed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from byok8s.elsewhere.workspace import users_folder

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.workflow import Workflow


def of_workflow(workflow: Workflow) -> Iterator[str]:
    """Snakefiles, includes, config files and scripts."""
    yield from _local(workflow.included)
    yield from (os.path.relpath(path) for path in workflow.configfiles)
    yield from _scripts(workflow)


def beside_scripts(workflow: Workflow) -> Iterator[str]:
    """All that lies beside the scripts of the working folder, which they may load."""
    for script in _scripts(workflow):
        if not script.startswith(".."):
            yield from _beside(Path(script))


def _scripts(workflow: Workflow) -> Iterator[str]:
    for rule in workflow.rules:
        if script := rule.script or rule.notebook:
            yield _of_rule(script, rule.basedir)


def of_jobs(dag: DAG) -> Iterator[str]:
    """The jobs' environments."""
    for job in dag.jobs:
        spec = job.conda_env_spec
        if spec and spec.is_file:
            yield from _local([spec.file])


def _local(files: Iterable[object]) -> Iterator[str]:
    from snakemake.common import is_local_file
    from snakemake.sourcecache import LocalSourceFile, SourceFile

    for file in files:
        if isinstance(file, LocalSourceFile):
            yield os.path.relpath(file.get_path_or_uri(secret_free=True))
        elif isinstance(file, str) and not isinstance(file, SourceFile) and is_local_file(file):
            yield os.path.relpath(file)


def _of_rule(path: str, basedir: object) -> str:
    from snakemake.sourcecache import SourceFile

    if Path(path).is_absolute() or not isinstance(basedir, SourceFile):
        return os.path.relpath(path)
    return os.path.relpath(str(basedir.join(path).get_path_or_uri(secret_free=True)))


def _beside(script: Path) -> Iterator[str]:
    """What a script may load: its folder, or of the working folder the files of the script's own kind."""
    if script.parent == Path():
        yield from map(str, Path().glob(f"*{script.suffix}"))
        return
    for path in script.parent.rglob("*"):
        if path.is_file() and not {".snakemake", ".byok8s", "__pycache__"} & set(path.parts):
            yield str(path)


def tracked_by_git() -> Iterator[str]:
    """In the user's folder; nothing without git, or outside of a repository."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "."], cwd=users_folder(), capture_output=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return  # no git, or no repository
    for path in os.fsdecode(listed.stdout).split("\0"):
        if path and Path(path).is_file():
            yield path
