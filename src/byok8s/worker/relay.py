"""The near end of the stream: passes bytes between the worker's socket and its own standard input and output."""

from __future__ import annotations

import os
import select
import socket
import time

from byok8s.worker import seclusion
from byok8s.worker.server import SOCKET

WAIT_SECONDS = 30.0


def relay() -> int:
    seclusion.close_to_others()
    worker = _connect()
    if not seclusion.is_from_outside(worker):  # a job has put its own socket there
        return 1
    while True:
        readable, _, _ = select.select([0, worker.fileno()], [], [])
        if worker.fileno() in readable:
            data = worker.recv(65536)
            if not data:
                return 0
            _write(data)
        if 0 in readable:
            data = os.read(0, 65536)
            if not data:
                return 0
            worker.sendall(data)


def _connect() -> socket.socket:
    """Connect to the worker. It makes its socket first of all, but its pod may be running a little earlier."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        worker = socket.socket(socket.AF_UNIX)
        try:
            worker.connect(str(SOCKET))
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return worker


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]
