"""What Ctrl-C and its like do, and when they do nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)


def end_on_termination() -> None:
    """SIGTERM, and the end of the terminal, are like Ctrl-C; Snakemake would wait for all that runs, without a word.

    From a thread other than the main one it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in LIKE_CTRL_C:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _interrupt)


def end_on_termination_from_now_on() -> None:
    """Have it so also when Snakemake sets its own handler, which it does between making its executor and its first job.

    What that handler does first shows when jobs end: while Snakemake chooses the first ones it would show never.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    end_on_termination()
    JobScheduler.exit_gracefully = lambda _, number, frame: _interrupt(number, frame)


def interrupt() -> None:
    """End the run as Ctrl-C would, from any thread."""
    os.kill(os.getpid(), signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(number, frame)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """None of them does anything for a while; only the main thread can have it so, and only it is interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *LIKE_CTRL_C)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
