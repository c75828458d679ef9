"""What this process and its jobs write to the terminal, led through a terminal of our own, and shown above a view."""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO

from byok8s.run.lines import Lines

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

STANDARD: Final = (1, 2)  # output and error
GATHER_SECONDS: Final = 0.05  # after the first of what is written, as the view is drawn again below it
GATHER_BYTES: Final = 128 * 1024
READ_BYTES: Final = 64 * 1024
RESIZE_SECONDS: Final = 0.5


class Diverted:
    """The terminal, in which a view is drawn while others write to what they take for it.

    Standard output is diverted if it is the same one as standard error. Jobs find a terminal of the same size, and
    write as ever. Until a view has ended that is shown as lines that move nothing, and after it as it is.
    """

    def __init__(self) -> None:
        self.terminal: TextIO = os.fdopen(
            _opened(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace"
        )
        self.lock: AbstractContextManager[bool] = threading.RLock()
        self._console: Console | None = None
        self._lines: Lines | None = Lines(colours="NO_COLOR" not in os.environ)
        self._saved: dict[int, int] = {}
        self._ours = self._theirs = -1
        self._end = secrets.token_bytes(16)  # what is written last
        self._is_ending = threading.Event()
        self._reader = threading.Thread(target=self._read, name="output", daemon=True)

    def begin(self) -> None:
        """Divert what is written from now on, also by programs that are started from now on."""
        _flush()
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs, termios.TCSANOW)
        self._resize()
        terminal = os.fstat(self.terminal.fileno()).st_rdev
        same = [fd for fd in STANDARD if os.isatty(fd) and os.fstat(fd).st_rdev == terminal]
        self._saved = {fd: os.dup(fd) for fd in same}
        self._reader.start()
        for fd in same:
            os.dup2(self._theirs, fd)

    def end(self) -> None:
        """Give the terminal back, with all that was written so far. If that is interrupted, call it again.

        What programs that outlive this write afterwards is lost: nobody reads it.
        """
        if self._ours < 0:
            return
        _flush()
        for fd, saved in self._saved.items():
            os.dup2(saved, fd)
        self._is_ending.set()
        with suppress(OSError):
            os.write(self._theirs, self._end)
        self._reader.join()
        over = (*self._saved.values(), self._ours, self._theirs)
        self._saved, self._ours = {}, -1
        for fd in over:
            os.close(fd)

    @contextmanager
    def above(self, console: Console) -> Iterator[None]:
        with self.lock:
            self._console = console
        try:
            yield
        finally:
            with self.lock, suppress(OSError):
                if self._lines:
                    self._show(self._lines.rest())
                self._console = self._lines = None

    def _read(self) -> None:
        is_over = False
        while not is_over:
            data, is_over = self._gathered()
            with self.lock:
                self._resize()
                self._tell(data, is_over=is_over)

    def _tell(self, data: bytes, *, is_over: bool) -> None:
        """Show what was written, whatever may fail in that: jobs would wait for somebody who reads it."""
        try:
            if self._lines:
                self._show(self._lines.take(data) + (self._lines.rest() if is_over else ""))
                return
        except Exception:  # noqa: BLE001 - as the terminal is gone, or cannot be drawn in
            self._console = self._lines = None
        with suppress(OSError):
            _write(self.terminal.fileno(), data)

    def _gathered(self) -> tuple[bytes, bool]:
        """Return what was written, not byte by byte, and whether that is the last."""
        while not _is_there(self._ours, RESIZE_SECONDS):
            self._resize()
        data = bytearray(os.read(self._ours, READ_BYTES))
        until = time.monotonic() + GATHER_SECONDS
        while True:
            if self._is_ending.is_set():
                if (place := data.find(self._end)) >= 0:
                    return bytes(data[:place]), True
            elif len(data) > GATHER_BYTES or not _is_there(self._ours, until - time.monotonic()):
                return bytes(data), False
            data += os.read(self._ours, READ_BYTES)

    def _show(self, text: str) -> None:
        if not text:
            return
        if self._console is None:
            _write(self.terminal.fileno(), text.encode(self.terminal.encoding, "backslashreplace"))
        else:
            self._console.print(_Raw(text if text.endswith("\n") else f"{text}\n"), crop=False)

    def _resize(self) -> None:
        """Have jobs find a terminal of the size that ours has now."""
        with suppress(OSError):
            size = fcntl.ioctl(self.terminal.fileno(), termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)


class _Raw:
    """Text that is shown as it is: it is safe, and the terminal fits it to its width."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        yield Segment(self._text)


def _opened(terminal: int) -> int:
    """Open a terminal again: what jobs set for what they have got of it, as not to wait, is then not set for us."""
    try:
        return os.open(os.ttyname(terminal), os.O_WRONLY | os.O_NOCTTY)
    except OSError:
        return os.dup(terminal)


def _is_there(fd: int, seconds: float) -> bool:
    """Wait until something can be read. Return whether that is so."""
    asked = select.poll()
    asked.register(fd, select.POLLIN)
    return bool(asked.poll(max(0.0, seconds) * 1000))


def _write(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
