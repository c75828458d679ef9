"""The commit that a folder of the user's is at."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SECONDS: Final = 5.0  # a repository may be large, and its disk far
_DIRTY: Final = "-dirty"


@dataclass(frozen=True)
class Commit:
    """name: its hash. modified: whether files that git knows are not as the commit has them."""

    name: str
    modified: bool


def commit(folder: Path) -> Commit | None:
    """Return the commit of the repository that a folder is in; None if it is in none, or nobody says so in time."""
    found = said(folder, "describe", "--always", "--abbrev=40", "--exclude=*", f"--dirty={_DIRTY}")
    return Commit(found.removesuffix(_DIRTY), found.endswith(_DIRTY)) if found else None


def said(folder: Path, *arguments: str) -> str | None:
    """Return what git says of a folder; None if it says nothing of it, or not in time."""
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=folder,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
