"""A process of Snakemake: started, waited for, and told to end when its time is over."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TERM_SECONDS = 20.0  # to end in, once it was told to
WORD_SECONDS = 120.0
LAST_LINES, LINE_LENGTH = 3, 160


@dataclass(frozen=True)
class Ended:
    """in_time: False where it was at work at the time limit, and was sent SIGTERM. seconds: to its end, or to that.

    code: None if it had to be killed, then.
    """

    code: int | None
    seconds: float
    in_time: bool
    said: str

    def __str__(self) -> str:
        last = [line.strip()[:LINE_LENGTH] for line in self.said.splitlines() if line.strip()][-LAST_LINES:]
        return f"{self._how()}, saying {' | '.join(last)!r}"

    def _how(self) -> str:
        if self.in_time:
            return f"{_exit(self.code)} after {self.seconds:.0f} s"
        heeded = f"SIGTERM: {_exit(self.code)}" if self.code is not None else "SIGTERM did not end it"
        return f"still waiting after {self.seconds:.0f} s, {heeded}"


def _exit(code: int | None) -> str:
    return f"ended by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"


class Process:
    """log: takes all that it says."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        self._log = log
        self._began = time.monotonic()
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def await_word(self, word: str) -> None:
        until = time.monotonic() + WORD_SECONDS
        while word not in self._said():
            assert time.monotonic() < until, f"{word!r} was not said within {WORD_SECONDS:.0f} s"
            time.sleep(0.1)

    def end(self, limit: float) -> Ended:
        """Wait for its end. limit: seconds from its start; then it is told to end, and killed if it does not."""
        try:
            self._popen.wait(max(0.0, limit - self._seconds()))
        except subprocess.TimeoutExpired:
            seconds = self._seconds()
            return Ended(self._terminate(), seconds, in_time=False, said=self._said())
        return Ended(self._popen.returncode, self._seconds(), in_time=True, said=self._said())

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def _terminate(self) -> int | None:
        self._popen.terminate()
        try:
            return self._popen.wait(TERM_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _said(self) -> str:
        return self._log.read_text(errors="replace")
