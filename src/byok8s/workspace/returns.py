"""What a run leaves in its workspace: brought to the user, or removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from filecmp import cmp
from pathlib import Path

OWN = frozenset({".byok8s", ".snakemake", "__pycache__"})


def bring_back(
    place: Path, user: Path, is_ours: Callable[[str], bool], aside: Path, tell: Callable[[str], None]
) -> None:
    """Bring what the run made beside the bucket, such as a report, to the folder that the workspace mirrors.

    is_ours: tells the source's files and the copies of what is in the bucket. aside: takes what has the name of
    another file of the user's.
    """
    for file in _files(place):
        path = file.relative_to(place)
        if is_ours(path.as_posix()):
            continue
        target = user / path
        if os.path.lexists(target):
            if target.is_file() and cmp(file, target, shallow=False):
                continue
            tell(f"The run has made {path}, which is also a file of yours: the run's is {aside / path}.")
            target = aside / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)


def _files(place: Path) -> Iterator[Path]:
    """Yield the regular files, of any depth."""
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name not in OWN and not name.startswith(".byok8s-")]
        yield from (
            file for name in names if (file := Path(folder, name)).is_file() and not file.is_symlink()
        )


def bring_back_state(place: Path, user: Path, passing: Collection[str]) -> None:
    """Bring what Snakemake has noted for its next run and had no place before."""
    for entry in place.iterdir() if place.is_dir() else ():
        target = user / entry.name
        if not entry.is_symlink() and entry.name not in passing and not target.exists():
            user.mkdir(parents=True, exist_ok=True)
            shutil.move(entry, target)


def empty(place: Path, kept: Collection[str], *, links: bool = True) -> None:
    """Remove what is in a workspace, but for some files.

    links: also those to the run's record and to Snakemake's notes.
    """
    kept = set(kept)
    for folder, folders, names in os.walk(place):
        here = Path(folder)
        for name in folders[:]:
            if (here / name).is_symlink():
                (here / name).unlink()
                folders.remove(name)
            elif name in OWN and not links:
                folders.remove(name)
        for file in (here / name for name in names):
            if file.is_symlink() or file.relative_to(place).as_posix() not in kept:
                file.unlink()
    _remove_empty(place)


def _remove_empty(place: Path) -> None:
    for folder, _, _ in os.walk(place, topdown=False):
        if Path(folder) != place and not any(Path(folder).iterdir()):
            Path(folder).rmdir()
