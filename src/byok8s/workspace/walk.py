"""Finding the files below a folder that others may change in the meantime."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield each file below a folder, with its status. Links to folders are not followed.

    What goes while this looks is left out, where Path.rglob() would raise FileNotFoundError.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            try:
                if path.is_file():
                    yield path, path.lstat()
            except (FileNotFoundError, NotADirectoryError):  # a folder above it may be a file by now
                continue
