"""What all parts of the bench share."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import ExitStack
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "byok8s-bench"
OURS, THEIRS = "byok8s", "upstream"
NEEDED = ("BYOK8S_S3_BUCKET", "BYOK8S_S3_ENDPOINT_URL", "BYOK8S_IMAGE")


class BenchError(Exception):
    """The bench cannot go on; its words are for the person who started it."""


def need_rig() -> None:
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        raise BenchError(f'{", ".join(missing)} not set. On the rig: eval "$(make -s rig-env)"')


def alone(stack: ExitStack) -> None:
    """Two benches at once would measure each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context((CACHE / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BenchError("Another bench is running.") from None


def say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)
