"""Python's own standard output in a process that was forked, and given another output."""

from __future__ import annotations

import os
import sys


def renew() -> None:
    """Make sys.stdout and sys.stderr write to file descriptors 1 and 2, line by line."""
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    if snakemakes := sys.modules.get("snakemake.shell"):
        # the output of commands is that of this process, whatever it was when Snakemake was imported
        vars(snakemakes)["STDOUT"] = None


def flush() -> None:
    """Write what is buffered: a fork would write it again, and an end without more ado never."""
    sys.stdout.flush()
    sys.stderr.flush()
