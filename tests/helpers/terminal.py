"""What a person at a terminal sees."""

from __future__ import annotations

import os
import pty
import re
import subprocess

from sandbox import Sandbox


def at_a_terminal(cluster: Sandbox, *arguments: str) -> tuple[int, str]:
    """Return the exit code of a run in a terminal, and what was written there, without what moves and colours."""
    ours, theirs = pty.openpty()
    environment = cluster.environment | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        cluster.command(*arguments),
        cwd=cluster.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:  # Linux' way to say that the other end is closed
            break
    os.close(ours)
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r", "\n")
