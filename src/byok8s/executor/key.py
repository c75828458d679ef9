"""The key of a run: by it the controller that goes on with a run knows what the one before has made."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from byok8s.fleet.record import folder
from byok8s.pods.names import Names


def file(run: str) -> Path:
    """Return where a run's key is kept: with its record, for this user alone, and never in the bucket."""
    return folder(run) / "key"


def names(run: str) -> Names:
    """Return the names of a run, with the key that an earlier controller of it has left here.

    On a disk that takes no file the run has a key all the same, and cannot be gone on with.
    """
    kept = file(run)
    with suppress(OSError):
        if key := kept.read_text().strip():
            return Names(run, key)
    made = Names(run)
    with suppress(OSError):
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            opened.write(made.key)
    return made
