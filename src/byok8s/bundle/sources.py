"""Which of a workflow's files go to pods; by paths relative to the workspace's root.

Snakemake's own DAG.get_sources does a part of it, but cannot be used where git is not installed.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from byok8s import workspace
from byok8s.bundle.links import refuse_links_out
from byok8s.errors import InputError
from byok8s.workspace.folder import laid_files, origin

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.workflow import Workflow

SMALL_FILE_BYTES = 1_000_000  # a file that nothing names: a larger one is data
SMALL_FILES_BYTES = 16_000_000  # all of them together
SMALL_FILES = 2_000
LOOKED_AT = 20_000  # entries of a folder without git, before it is taken for one of data
NEVER = frozenset({".git", ".snakemake", ".byok8s", "__pycache__"})


@dataclass(frozen=True)
class Sources:
    """files: sorted. left_out: in words, what pods do not get because of a bound; empty if nothing."""

    files: tuple[str, ...]
    left_out: str


def chosen(dag: DAG) -> Sources:
    """Choose what pods get: what Snakemake has registered, what was read while parsing, and what is small.

    Files of the workflow, in the bucket, are none of it. Raises InputError for a source outside of the workspace.
    """
    workflow = dag.workflow
    named = {*of_workflow(workflow), *beside_scripts(workflow), *of_jobs(dag), *laid_files()}
    if outside := sorted(path for path in named if path.startswith("..")):
        raise InputError(
            f"A source of the workflow lies outside of its folder: {outside[0]}.",
            where=f"The folder is {origin()}.",
            hint="Start byok8s in a folder that holds everything that the Snakefile includes.",
        )
    others, complete = small_files()
    # what was read while parsing first, as no `run:` rule can be parsed without it
    read = [(path, _file(path).stat().st_size) for path in workspace.parsed().opened if _file(path).is_file()]
    taken, left = _bounded([*sorted(read, key=_size), *sorted(others, key=_size)], named)
    files = sorted(path for path in named | taken if _file(path).is_file())
    return Sources(tuple(files), _words(left, complete=complete))


def _size(entry: tuple[str, int]) -> int:
    return entry[1]


def _bounded(files: Iterable[tuple[str, int]], named: set[str]) -> tuple[set[str], int]:
    """Return as many of the files as the bounds allow, the first first, and how many are left out."""
    taken: set[str] = set()
    bytes_left, out = SMALL_FILES_BYTES, 0
    for path, size in files:
        if path in named or path in taken:
            continue
        if size > bytes_left or len(taken) == SMALL_FILES:
            out += 1
        else:
            bytes_left -= size
            taken.add(path)
    return taken, out


def _words(left: int, *, complete: bool) -> str:
    if complete and not left:
        return ""
    some = f"{left} small files" if complete else "Many small files"
    return (
        f"{some} of {origin()} do not go to pods, which are given at most {SMALL_FILES}, and "
        f"{SMALL_FILES_BYTES // 1_000_000} MB: a job gets what it names as an input."
    )


def of_workflow(workflow: Workflow) -> Iterator[str]:
    """Yield Snakefiles, includes, config files and scripts."""
    yield from _local(workflow.included)
    # not the run's own copy of the params, which may hold secrets: what is in them goes with the run's description
    yield from (name for name in map(_within, workflow.configfiles) if not NEVER & set(Path(name).parts))
    yield from _scripts(workflow)


def beside_scripts(workflow: Workflow) -> Iterator[str]:
    """Yield all that lies beside the scripts, which they may load."""
    for script in _scripts(workflow):
        if not script.startswith(".."):
            yield from _beside(script)


def _scripts(workflow: Workflow) -> Iterator[str]:
    for rule in workflow.rules:
        script = rule.script or rule.notebook
        # a pattern: which file it is, only a job knows
        if script and "{" not in script:
            yield _of_rule(script, rule.basedir)


def of_jobs(dag: DAG) -> Iterator[str]:
    """Yield the jobs' environments, and their scripts that a wildcard names."""
    for job in dag.jobs:
        spec = job.conda_env_spec
        if spec and spec.is_file and not job.is_wrapper:  # whose folder goes to pods whole, wherever it is
            yield from _local([spec.file])
        script = job.rule.script or job.rule.notebook
        if script and "{" in script:
            yield from _local([job._path_to_source_file(script)])


def _local(files: Iterable[object]) -> Iterator[str]:
    from snakemake.common import is_local_file
    from snakemake.sourcecache import LocalSourceFile, SourceFile

    for file in files:
        if isinstance(file, LocalSourceFile):
            yield _within(file.get_path_or_uri(secret_free=True))
        elif isinstance(file, str) and not isinstance(file, SourceFile) and is_local_file(file):
            yield _within(file)


def _of_rule(path: str, basedir: object) -> str:
    from snakemake.sourcecache import SourceFile

    if Path(path).is_absolute() or not isinstance(basedir, SourceFile):
        return _within(path)
    return _within(str(basedir.join(path).get_path_or_uri(secret_free=True)))


def _within(path: object) -> str:
    """Return a path relative to the root, also that of a file of the folder that it mirrors."""
    file, root = os.path.normpath(Path.cwd() / str(path)), str(workspace.root())
    mirrored = str(origin())
    if not file.startswith(f"{root}/") and file.startswith(f"{mirrored}/"):
        return os.path.relpath(file, mirrored)
    return os.path.relpath(file, root)


def _file(path: str) -> Path:
    return workspace.root() / path


def _beside(script: str) -> Iterator[str]:
    """What a script may load: its folder, or of the root the files of the script's own kind."""
    folder, _, name = script.rpartition("/")
    if not folder:
        yield from (path.name for path in workspace.root().glob(f"*{Path(name).suffix}"))
        return
    for path in _file(folder).rglob("*"):
        if path.is_file() and not NEVER & set(path.relative_to(_file(folder)).parts):
            yield _within(path)


def small_files() -> tuple[list[tuple[str, int]], bool]:
    """Return the small files of the folder with their sizes, and whether these are all.

    In a repository of git those that it does not ignore.
    """
    listed = _listed_by_git()
    names, complete = _walked() if listed is None else (listed, True)
    found = []
    for path in names:
        file = _file(path)
        if not NEVER & set(Path(path).parts) and file.is_file() and file.stat().st_size <= SMALL_FILE_BYTES:
            found.append((path, file.stat().st_size))
    if listed is not None:
        refuse_links_out([path for path, _ in found], origin())
    return found, complete


def _listed_by_git() -> list[str] | None:
    """None without git, or outside of a repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."]
    try:
        listed = subprocess.run(command, cwd=origin(), capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return [path for path in os.fsdecode(listed.stdout).split("\0") if path]


def _walked() -> tuple[list[str], bool]:
    """The files of a folder that git does not know, those near its top first, until it is taken for one of data.

    What a link out of it leads to is not sent to a cluster unasked.
    """
    folders, seen = [origin()], 0
    files: list[str] = []
    for folder in folders:
        entries = _entries(folder)
        seen += len(entries)
        if seen > LOOKED_AT:
            return files, False
        for entry in entries:
            if entry.name in NEVER or (entry.is_symlink() and entry.is_dir()):
                continue
            if entry.is_dir():
                folders.append(entry)
            elif not entry.is_symlink() or entry.resolve().is_relative_to(origin().resolve()):
                files.append(str(entry.relative_to(origin())))
    return files, True


def _entries(folder: Path) -> list[Path]:
    try:
        return list(itertools.islice(folder.iterdir(), LOOKED_AT + 1))
    except OSError:
        return []  # it is not for us
