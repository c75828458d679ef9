"""Where a workflow's files are, when that is not the working folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A folder with a workflow. Nothing is ever written there.

    name: for people, with the version or commit. packaged: it is of a package, whose files pods can be given all, and
    in whose place those of the user's folder are taken. commit: of the repository that it is from. origin: the same for
    each version and commit.
    """

    name: str
    folder: Path
    packaged: bool
    commit: str = ""
    origin: str = ""

    def files(self) -> Iterator[Path]:
        """All of them, within the folder, in order; without what Python leaves beside the scripts that it runs."""
        for folder, folders, names in os.walk(self.folder, followlinks=True):
            here = Path(folder)
            folders[:] = sorted(
                name for name in folders if name != "__pycache__" and not _leads_up(here, name)
            )
            for name in sorted(names):
                yield (here / name).relative_to(self.folder)


def _leads_up(folder: Path, name: str) -> bool:
    """A link to where one has come from has no end."""
    return (folder / name).is_symlink() and folder.resolve().is_relative_to((folder / name).resolve())
