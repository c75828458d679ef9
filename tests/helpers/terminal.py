"""What a person at a terminal sees."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox import Sandbox

# what moves, and colours
ORDERS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# makes standard input the terminal of the session, as a shell's is
LEAD = "import os, sys, fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A terminal without anybody in front of it. said: all that was written there, as far as it was read."""

    def __init__(self, lines: int = 24, columns: int = 80) -> None:
        self._ours, self._theirs = pty.openpty()
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._pieces: list[str] = []
        self.resize(lines, columns)
        self.attributes = termios.tcgetattr(self._theirs)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def start(
        self,
        folder: Path,
        command: Sequence[str],
        environment: Mapping[str, str] = os.environ,
        stdout: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own, whose terminal this is: it has the size that this has."""
        sizes = {"COLUMNS", "LINES"}  # of the terminal that the tests are run in
        return subprocess.Popen(
            [sys.executable, "-c", LEAD, *command],
            cwd=folder,
            stdin=self._theirs,
            stdout=self._theirs if stdout is None else stdout,
            stderr=self._theirs,
            env={**{name: of for name, of in environment.items() if name not in sizes}, "TERM": "xterm"},
            start_new_session=True,
        )

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def until(self, words: str, seconds: float = 60) -> str:
        """Wait until there are these words after what was read before. Return what has come with them."""
        found, end = "", time.monotonic() + seconds
        while words not in found:
            assert select.select([self._ours], [], [], max(0.0, end - time.monotonic()))[0], self.said
            found += self._read()
        return found

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """Take what a process writes until it ends, and what is left then. Return its exit code."""
        while process.poll() is None or select.select([self._ours], [], [], 0)[0]:
            if select.select([self._ours], [], [], 0.1)[0]:
                self._read()
        return process.returncode

    def _read(self) -> str:
        self._pieces.append(self._decode(os.read(self._ours, 65536)))
        return self._pieces[-1]

    def is_as_before(self) -> bool:
        """Return whether keys are read as they were, and the cursor is shown."""
        hidden, shown = self.said.rfind("\x1b[?25l"), self.said.rfind("\x1b[?25h")
        return termios.tcgetattr(self._theirs) == self.attributes and hidden <= shown

    @property
    def said(self) -> str:
        return "".join(self._pieces)

    @property
    def lines(self) -> list[str]:
        """All lines that were ever written, without what moves and colours."""
        return ORDERS.sub("", self.said).replace("\r", "\n").split("\n")


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
    return process.wait(), ORDERS.sub("", said.decode()).replace("\r", "\n")
