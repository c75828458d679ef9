"""Links in a workflow's folder that lead out of it: what they lead to is not shipped to a cluster unasked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from byok8s.errors import InputError


def refuse_links_out(paths: Iterable[str], folder: Path) -> None:
    """Raise InputError for the first of these files that is a link out of the folder, be it by a folder on its way.

    A repository of somebody else's may hold one, as to ~/.ssh/id_ed25519. paths: relative to the folder.
    """
    inside = folder.resolve()
    for path in paths:
        target = (folder / path).resolve()
        if not target.is_relative_to(inside):
            raise InputError(
                f"A file of the workflow is a link that leads out of its folder: {path}.",
                where=f"It leads to {os.fspath(target)}, and would be copied into the cluster.",
                hint="Put a copy in its place, or take it out of the repository; data belongs into the bucket.",
            )
