"""An API server that fails as told: for faults that a real one cannot be made to show when a test wants them.

Each watch request takes the next step of a script; a step sends lines, then ends the answer in some way.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


def pod(name: str, version: int) -> dict[str, object]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}, "status": {"phase": "Running"}}


def event(kind: str, obj: dict[str, object]) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def status(code: int, reason: str) -> dict[str, object]:
    return {"kind": "Status", "code": code, "reason": reason, "message": f"{reason} by the script"}


@dataclass(frozen=True)
class Step:
    """lines: sent first. code: of the answer, where it is an error. reset: the connection is reset in mid-line.
    cut: it is closed there. hold: the answer stays open."""

    lines: tuple[bytes, ...] = ()
    code: int = 200
    reset: bool = False
    cut: bool = False
    hold: bool = False


@dataclass
class Script:
    """lists: names of pods, with the resourceVersion of the list, one for each list request, the last for all
    that follow. steps: one for each watch request; after the last, watches stay open."""

    lists: Sequence[tuple[int, tuple[str, ...]]]
    steps: Sequence[Step]
    watched_from: list[str] = field(default_factory=list)
    listed: int = 0
    ending: threading.Event = field(default_factory=threading.Event)

    def next_list(self) -> dict[str, object]:
        version, names = self.lists[min(self.listed, len(self.lists) - 1)]
        self.listed += 1
        return {
            "metadata": {"resourceVersion": str(version)},
            "items": [pod(name, version) for name in names],
        }

    def next_step(self, version: str) -> Step:
        self.watched_from.append(version)
        number = len(self.watched_from) - 1
        return self.steps[number] if number < len(self.steps) else Step(hold=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def log_message(self, *_: object) -> None:
        """Tests say what went wrong."""

    def end_headers(self) -> None:
        """Each request has a connection of its own, so that none outlives the server."""
        self.send_header("Connection", "close")
        super().end_headers()

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        if query.get("watch"):
            self._watch(self.script.next_step(query["resourceVersion"]))
        else:
            self._json(200, self.script.next_list())

    def _json(self, code: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _watch(self, step: Step) -> None:
        if step.code != 200:
            self._json(step.code, status(step.code, "Scripted"))
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in step.lines:
            self._chunk(line)
        if step.reset or step.cut:
            self.wfile.write(b'400\r\n{"type":"MODI')
            self.wfile.flush()
        if step.cut:
            return
        if step.reset:
            time.sleep(0.3)  # a reset takes along what the client has not read yet
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if step.hold:
            self.script.ending.wait()
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """A client that went away is what some scripts are about."""


@contextmanager
def serve(script: Script, port: int = 0) -> Iterator[str]:
    """The server's address."""
    server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"script": script}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        script.ending.set()
        server.shutdown()
        server.server_close()
