"""Gates at which jobs wait, on this machine and in pods, until a test opens them: so it need not reckon with times."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Gate:
    """A connection to it lasts until it is open."""

    def __init__(self, host: str) -> None:
        self._server = socket.create_server((host, 0))
        self._changed = threading.Condition()
        self._waiting: list[socket.socket] = []
        self._is_open = False
        threading.Thread(target=self._serve, name="gate", daemon=True).start()

    @property
    def command(self) -> str:
        """What a job waits with, in bash."""
        host, port = self._server.getsockname()
        return f"cat < /dev/tcp/{host}/{port}"

    def open(self) -> None:
        """Let through whoever waits, and whoever comes later."""
        with self._changed:
            self._is_open = True
            for job in self._waiting:
                job.close()
            self._waiting.clear()

    def await_jobs(self, count: int, seconds: float = 120) -> None:
        """Wait until so many jobs wait here at once."""
        with self._changed:
            there = self._changed.wait_for(lambda: len(self._waiting) >= count, seconds)
        assert there, f"{len(self._waiting)} instead of {count} jobs wait after {seconds} s"

    def close(self) -> None:
        self.open()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                job, _ = self._server.accept()
                with self._changed:
                    if self._is_open:
                        job.close()
                    else:
                        self._waiting.append(job)
                        self._changed.notify_all()


@contextmanager
def gate(host: str = "127.0.0.1") -> Iterator[Gate]:
    """Have a gate, which is open in the end. host: where jobs reach this machine."""
    made = Gate(host)
    try:
        yield made
    finally:
        made.close()
