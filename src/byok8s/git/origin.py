"""What a repository is known by: the same in each clone, however it is reached, and without credentials."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from byok8s.git.work_tree import said

_OF_SSH: Final = re.compile(r"(?:[^@/:]+@)?([^/:]+):(?!//)(.+)")  # as git@host:path


def repository(url: str) -> str:
    """Return what a repository is known by: host and path, or the path of one on this machine."""
    if found := _OF_SSH.fullmatch(url):
        host, path = found[1], found[2]
    else:
        try:
            parts = urlsplit(url)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return ""
    return f"{host.lower()}/{path.strip('/').removesuffix('.git')}"


def within_repository(file: Path) -> tuple[str, str] | None:
    """Return the name of the repository that a file is in a clone of, and its path there; None if it is in none."""
    within = said(file.parent, "rev-parse", "--show-prefix")
    url = said(file.parent, "config", "--get", "remote.origin.url") if within is not None else None
    return (repository(url), f"{within}{file.name}") if url else None
