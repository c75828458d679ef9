"""What Ctrl-C and its like do, and when they do nothing."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import LogRecord

LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
_WAKE = signal.SIGURG  # nobody else sends it to a process, and a program without a handler for it ignores it
_MOMENT_SECONDS = 0.1


@dataclass
class _MainThread:
    """What the main thread does with an interrupt, which it alone gets; it alone changes this.

    came: whether there was one. ignoring, holding_back: within how many blocks that have it so.
    is_waiting: whether one came that is held back.
    """

    came: bool = False
    ignoring: int = 0
    holding_back: int = 0
    is_waiting: bool = False


_main = _MainThread()


def remembered() -> Callable[[], bool]:
    """Return what tells whether an interrupt has come since: Snakemake ends an interrupted run like a failed one."""
    _main.came = False
    _take_ctrl_c()
    return lambda: _main.came


def end_on_termination() -> None:
    """SIGTERM, and the end of the terminal, are like Ctrl-C; Snakemake would wait for all that runs, without a word.

    From a thread other than the main one it does nothing.
    """
    if not _is_main():
        return
    for number in LIKE_CTRL_C:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _like_ctrl_c)
    _take_ctrl_c()


def end_on_termination_from_now_on() -> None:
    """Have it so also when Snakemake sets its own handler, which it does between making its executor and its first job.

    What that handler does first shows when jobs end: while Snakemake chooses the first ones it would show never.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    end_on_termination()
    JobScheduler.exit_gracefully = lambda _, number, frame: _like_ctrl_c(number, frame)


def guard_logging() -> None:
    """Have no interrupt come while Snakemake logs: its handler for the terminal catches it, and it would be lost."""
    from snakemake.logging import logger

    if "handle" in vars(logger):
        return
    handle = logger.handle

    def undisturbed_handle(record: LogRecord) -> None:
        with held_back():
            handle(record)

    logger.handle = undisturbed_handle


def interrupt() -> None:
    """End the run as Ctrl-C would, from any thread."""
    os.kill(os.getpid(), signal.SIGINT)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """None of them does anything for a while; only the main thread can have it so, and only it is interrupted."""
    if not _is_main():
        yield
        return
    _main.ignoring += 1
    try:
        yield
    finally:
        _main.ignoring -= 1


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Have an interrupt come after this instead of within. A second one comes at once, as this may wait for long."""
    if not _is_main():
        yield
        return
    _main.holding_back += 1
    try:
        yield
    finally:
        _main.holding_back -= 1
        if _main.is_waiting and not _main.holding_back:
            _interrupt(signal.SIGINT, None)


@functools.cache
def _wake_by_signals() -> None:
    """Have a signal wake the main thread a moment later, too.

    One that comes just before the main thread begins to wait, or that another thread gets, does not end the waiting.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(_WAKE, lambda *_: None)  # what has no handler wakes nobody
    threading.Thread(target=_wake, args=(reading,), name="signals", daemon=True).start()


def _wake(reading: int) -> None:
    main = threading.main_thread().ident
    while came := os.read(reading, 64):
        if main and set(came) != {_WAKE}:
            time.sleep(_MOMENT_SECONDS)
            signal.pthread_kill(main, _WAKE)


def _take_ctrl_c() -> None:
    """Have it do what Python does, where the main thread may be interrupted; a program's own handler stays."""
    if not _is_main():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    _wake_by_signals()


def _like_ctrl_c(number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) and not _main.ignoring else _interrupt)(number, frame)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _main.ignoring:
        return
    _main.came = True
    is_first, _main.is_waiting = not _main.is_waiting, bool(_main.holding_back)
    if not (is_first and _main.holding_back):
        signal.default_int_handler(number, frame)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
