"""The end of a log, without what is not the tool's own words. A log may have any size: it is read from its end."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 64 * 1024

# how Snakemake ends when a job of it has failed
_CLOSING: Final = re.compile(
    r"Exiting because a job execution failed|Shutting down, this might take some time|Complete log\(s\): "
    r"|At least one job did not complete successfully|RuleException:$|CalledProcessError in file "
    r"|Command '.*' returned non-zero exit status"
)
_FRAME: Final = re.compile(
    r'\s+File "[^"]*(?:/snakemake/|/snakemake_[a-z_]+/|/byok8s/worker/|worker\.pyz/)[^"]*", line'
)


def last_lines(path: Path, most_bytes: int = MOST_BYTES) -> list[str]:
    """Return the last lines of a file. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = file.seek(max(0, size - most_bytes))
        return lines(file.read(most_bytes), whole=start == 0)


def lines(data: bytes, *, whole: bool) -> list[str]:
    """Return what a log's last bytes say. whole: they are all of it, and do not begin within a line."""
    found = data.decode(errors="replace").splitlines()
    return found if whole or len(found) < 2 else found[1:]


def without_frame(rows: Sequence[str]) -> list[str]:
    """Leave out Snakemake's closing lines and the steps of a traceback that are in Snakemake or byok8s.

    All of it stays if there is nothing else.
    """
    found = _without_closing(_without_steps(rows))
    return found if any(row.strip() for row in found) else list(rows)


def _without_steps(rows: Sequence[str]) -> list[str]:
    """A step is a line with the file, and the more deeply indented lines below it."""
    kept, dropping, depth = [], False, 0
    for row in rows:
        indent = len(row) - len(row.lstrip())
        if _FRAME.match(row):
            dropping, depth = True, indent
            continue
        dropping = dropping and indent > depth
        if not dropping:
            kept.append(row)
    return kept


def _without_closing(rows: Sequence[str]) -> list[str]:
    kept, in_block = [], False
    for row in rows:
        in_block = (in_block and row.startswith(" ")) or row.startswith("Error in rule ")
        if not in_block and not _CLOSING.match(row):
            kept.append(row)
    return kept
