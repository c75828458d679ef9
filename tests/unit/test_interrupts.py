"""Ctrl-C and its like come once, wherever they find the main thread."""

import io
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from snakemake.logging import ColorizingTextHandler, logger

from byok8s.fleet import interrupts

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Have the handlers as a run has them, and for other tests those that were there before."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupts.end_on_termination()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Written(io.StringIO):
    """A terminal; what is to happen does so each time that something is written there."""

    def __init__(self, happening: Callable[[], None]) -> None:
        super().__init__()
        self.happening = happening

    def write(self, text: str) -> int:
        self.happening()
        return super().write(text)


@pytest.fixture
def said(request: pytest.FixtureRequest) -> Iterator[Written]:
    """Yield what Snakemake's own handler writes; a signal comes with the first that it does."""
    interrupts.guard_logging()
    numbers = [request.param]
    written = Written(lambda: os.kill(os.getpid(), numbers.pop()) if numbers else None)
    handler = ColorizingTextHandler(stream=written)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield written
    logger.setLevel(level)
    logger.removeHandler(handler)


@pytest.mark.parametrize("said", NUMBERS, indirect=True)
def test_an_interrupt_is_not_lost_while_snakemake_logs(said: Written) -> None:
    has_come = interrupts.remembered()
    with pytest.raises(KeyboardInterrupt):
        logger.info("Job stats:")
    assert said.getvalue() == "Job stats:\n"
    assert has_come()
    logger.info("Terminating processes on user request")
    assert "Terminating" in said.getvalue()


def interrupted(times: int, done: list[str]) -> None:
    with interrupts.held_back(), interrupts.held_back():
        for number in range(times):
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(f"what came after interrupt {number + 1}")


def test_what_is_held_back_comes_once_and_at_the_end() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(1, done)
    assert done == ["what came after interrupt 1"]
    interrupted(0, done)


def test_a_second_interrupt_is_not_held_back() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(2, done)
    assert done == ["what came after interrupt 1"]
    interrupted(0, done)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_undisturbed_is_not_interrupted_then_or_later(number: signal.Signals) -> None:
    has_come = interrupts.remembered()
    with interrupts.undisturbed(), interrupts.held_back():
        os.kill(os.getpid(), number)
    assert not has_come()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    assert has_come()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_s_own_handler_of_ctrl_c_is_asked(number: signal.Signals) -> None:
    came = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    interrupts.end_on_termination()
    os.kill(os.getpid(), number)
    with interrupts.undisturbed():
        os.kill(os.getpid(), number)
    assert came == [number]


def test_what_nohup_has_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.end_on_termination()
    os.kill(os.getpid(), signal.SIGHUP)


def test_one_that_another_thread_gets_ends_what_the_main_thread_waits_for() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    sender = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    sender.start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            time.sleep(60)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    assert time.monotonic() - began < 60
