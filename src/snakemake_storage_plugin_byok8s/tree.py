"""A directory on a disk and its keys in a bucket: how one is told from a file, from a half and from an empty folder.

Its files are below its key. A key that ends with a slash stands for a folder that is empty. While its files are being
written there is a mark among them, and then it is no directory: it is put first, and removed last.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from snakemake_storage_plugin_byok8s.facts import Facts

_UNFINISHED: Final = ".byok8s/unfinished"


class Unstorable(ValueError):
    """A directory that a bucket cannot hold as it is."""


def walk(folder: Path) -> tuple[list[str], list[str]]:
    """Return the files of a directory and, with a slash behind them, its empty folders; by their paths within it.

    Links are followed. Raises Unstorable for one that leads nowhere, or to where it has come from.
    """
    files: list[str] = []
    empty: list[str] = []
    for here, folders, names in os.walk(folder, followlinks=True):
        within = Path(here).relative_to(folder).as_posix()
        prefix = "" if within == "." else f"{within}/"
        if not folders and not names:
            empty.append(prefix)
        _check_links(folder, Path(here), prefix, [*folders, *names])
        files += [f"{prefix}{name}" for name in names if Path(here, name).is_file()]
    return files, empty


def _check_links(folder: Path, here: Path, prefix: str, names: Iterable[str]) -> None:
    for name in names:
        path = here / name
        if path.is_symlink() and not path.exists():
            raise Unstorable(f"The directory {folder} has a link to nothing: {prefix}{name}.")
        if path.is_symlink() and path.is_dir() and here.resolve().is_relative_to(path.resolve()):
            raise Unstorable(f"The directory {folder} has a link to a folder that it is in: {prefix}{name}.")


def mark(key: str) -> str:
    """Return the key of the mark of a directory that is being written."""
    return f"{key}/{_UNFINISHED}"


def directory(key: str, files: Mapping[str, Facts]) -> Facts | None:
    """The facts of a directory, from those of the files in it, by key; None for one that is empty or half written."""
    if not files or mark(key) in files:
        return None
    return Facts(max(f.mtime for f in files.values()), sum(f.size for f in files.values()), is_dir=True)


def surplus(key: str, there: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the keys that are below a directory's and not of it, as of an older one; and at the end that of the mark.

    there: what is below its key. names: of its files and empty folders.
    """
    own = {f"{key}/{name}" for name in names}
    return [*sorted({*there} - own - {mark(key)}), mark(key)]


def stands_for_folder(key: str) -> bool:
    """Return whether a key is that of an empty folder."""
    return key.endswith("/")
