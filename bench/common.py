"""What all parts of the bench share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "byok8s-bench"
OURS, THEIRS = "byok8s", "upstream"


class BenchError(Exception):
    """The bench cannot go on; its words are for the person who started it."""


def say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)
