"""Keys that are pressed in the terminal while something is drawn there."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

LOOK_SECONDS: Final = 0.2
_SEVERAL: Final = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O.)")


@contextmanager
def pressed(tell: Callable[[str], None]) -> Iterator[bool]:
    """Tell each key as it is pressed, for as long as the block lasts; none if standard input is no terminal.

    Yields whether keys are told. tell: is called by a thread of its own, with the character that a key stands for; keys
    such as arrows, which stand for several, are not told. Ctrl-C and Ctrl-Z do what they always do.
    """
    try:
        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd) if _is_ours(fd) else None
    except (OSError, ValueError, termios.error):
        before = None
    if before is None:
        yield False
        return
    over = threading.Event()
    thread = threading.Thread(target=_read, args=(fd, tell, over), name="keys", daemon=True)
    tty.setcbreak(fd, termios.TCSANOW)
    thread.start()
    try:
        yield True
    finally:
        over.set()
        thread.join()
        if _is_ours(fd):
            termios.tcsetattr(fd, termios.TCSANOW, before)


def _is_ours(fd: int) -> bool:
    """Return whether we are in the foreground of a terminal: who reads from it in the background is stopped."""
    return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()


def _read(fd: int, tell: Callable[[str], None], over: threading.Event) -> None:
    while not over.is_set():
        if not _is_ours(fd):
            over.wait(LOOK_SECONDS)
        elif select.select([fd], [], [], LOOK_SECONDS)[0] and _is_ours(fd):
            try:
                data = os.read(fd, 64)
            except OSError:
                return
            if not data:
                return
            for key in _SEVERAL.sub("", data.decode(errors="replace")):
                tell(key)
