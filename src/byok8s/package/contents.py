"""Which files of a workflow's folder are put into its package, and what cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from byok8s.bundle.delivery import ARCHIVE_BYTES, pack
from byok8s.errors import InputError

MARK = "[tool.byok8s.package]"  # in the pyproject.toml of a package
NEVER = frozenset({"__pycache__", "node_modules"})


def choose(folder: Path, exclude: Sequence[str]) -> list[Path]:
    """The files of a folder, within it and in order: all but hidden ones, those of packages that were made in it, and,
    in a git repository, ignored ones.

    exclude: patterns as in `*.bam` or `results/*`, of paths within the folder. Raises InputError for a file that is a
    link to outside of it or cannot be read, and for more than pods can be given.
    """
    present = set(_present(folder))
    packages = {
        path.parent for path in present if path.name == "pyproject.toml" and is_package(folder / path.parent)
    }
    chosen = sorted(
        path for path in present if not (_is_left_out(path, exclude) or packages & {*path.parents})
    )
    for path in chosen:
        _check(folder, path)
    _check_size(folder, chosen)
    return chosen


def is_package(folder: Path) -> bool:
    """Whether this program has made it."""
    project = folder / "pyproject.toml"
    return project.is_file() and MARK in project.read_text(encoding="utf-8")


def _present(folder: Path) -> Iterator[Path]:
    listed = (
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
            cwd=folder,
            capture_output=True,
            check=False,
        )
        if _has_git()
        else None
    )
    if listed and listed.returncode == 0:
        names = {Path(name) for name in os.fsdecode(listed.stdout).split("\0") if name}
        yield from (name for name in names if os.path.lexists(folder / name))
        return
    for place, folders, names_here in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NEVER]
        linked = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name).relative_to(folder) for name in [*names_here, *linked])


def _has_git() -> bool:
    return shutil.which("git") is not None


def _is_left_out(path: Path, exclude: Sequence[str]) -> bool:
    hidden = any(part.startswith(".") or part in NEVER for part in path.parts)
    return hidden or any(fnmatch(str(path), pattern) for pattern in exclude)


def _check(folder: Path, path: Path) -> None:
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{path} cannot be packaged: it is a link to a file outside of the workflow's folder.",
            where=f"It leads to {file.resolve()}.",
            hint=f"Copy the file into the folder, or leave it out with --exclude '{path}'.",
        )
    if not file.is_file():
        raise InputError(
            f"{path} cannot be packaged: it is no file.",
            hint=f"Remove it, or leave it out with --exclude '{path}'.",
        )
    if not os.access(file, os.R_OK):
        raise InputError(f"{path} cannot be packaged: it cannot be read.")


def _check_size(folder: Path, chosen: Sequence[Path]) -> None:
    """Pods are given all of it, as a run's sources."""
    archive = pack((folder / path, str(path)) for path in chosen)
    if len(archive) <= ARCHIVE_BYTES:
        return
    largest = max(chosen, key=lambda path: (folder / path).stat().st_size)
    size = (folder / largest).stat().st_size
    raise InputError(
        f"The files are {len(archive) / 1e6:.0f} MB compressed; pods can be given {ARCHIVE_BYTES // 1_000_000} MB of "
        "a workflow's files.",
        where=f"The largest is {largest}, {size / 1e6:.0f} MB.",
        hint="Put data into the bucket and name it as a rule's input; what is not needed is left out by --exclude"
        f" '{largest}', or by a .gitignore.",
    )
