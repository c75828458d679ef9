"""The root of a workflow: the smallest folder that holds everything its Snakefile may name by a relative path."""

from __future__ import annotations

import os
from pathlib import Path

from byok8s.errors import InputError


def find_root(*places: Path) -> Path:
    """Return the smallest folder that holds all of these files and folders.

    Raises InputError if that is the whole file system or a home folder, which no run can be given: it would be
    searched, mirrored and sent to pods.
    """
    resolved = [place.resolve() for place in places]
    root = Path(os.path.commonpath(resolved))
    if root.is_file():
        root = root.parent
    if len(set(resolved)) > 1 and root in _too_large(resolved):
        raise InputError(
            f"The workflow's folders have only {root} in common, which is more than a run can be given.",
            where="They are " + " and ".join(str(place) for place in resolved) + ".",
            hint="Put the Snakefile and the working folder into one project folder, and start byok8s in that or below.",
        )
    return root


def _too_large(places: list[Path]) -> set[Path]:
    """A folder that was chosen as the working folder may be anything; one that holds it by chance may not."""
    home = Path.home().resolve()
    return ({*home.parents, home} | {Path(place.anchor) for place in places}) - set(places)
