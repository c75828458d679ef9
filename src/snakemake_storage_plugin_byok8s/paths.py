"""Where the names in a bucket become paths on a disk: the one place that keeps them inside of a folder."""

from __future__ import annotations

import os
from pathlib import Path


class Outside(ValueError):
    """A key that no file inside of the folder can stand for."""


def inside(folder: Path, name: str) -> Path:
    """Return the path for a name in a bucket below a folder. Whoever may write to the bucket may choose any name.

    Raises Outside for one that would lead out of the folder, or that no file can have. Links are not followed.
    """
    path = Path(os.path.normpath(folder / name))
    if "\0" in name or not path.is_relative_to(folder) or (path == folder and name not in {"", "."}):
        raise Outside(f"{name!r} would lead out of {folder}, or to no file at all.")
    return path
