"""A directory on a disk and its keys in a bucket. A key that ends with a slash stands for a folder that is empty."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


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


def stands_for_folder(key: str) -> bool:
    """Return whether a key is that of an empty folder."""
    return key.endswith("/")
