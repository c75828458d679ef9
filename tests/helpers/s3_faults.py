"""An S3 server that fails for pods alone: a proxy that passes on what comes from this machine.

What a pod asks for is answered as told: a fault that a real server cannot be made to show when a test wants it.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

OWN_HEADERS = {"transfer-encoding", "connection", "date", "server"}


@dataclass(frozen=True)
class Fault:
    """What requests of these methods, to a path that ends so, are answered.

    status, code: of HTTP, and of S3's error. A status of 0 closes the connection without an answer.
    everybody: not pods alone. since: until it is set all is well. clock: seconds by which the answers' Date is wrong;
    nothing fails then. pause: seconds before the answer, which then is the server's. cut: bytes that are missing at the
    end of the answer, whose Content-Length is that of what is left. times: after which all is well; 0 for always.
    """

    status: int
    code: str
    methods: tuple[str, ...] = ("HEAD", "GET", "PUT", "POST")
    path: str = ""
    everybody: bool = False
    since: threading.Event | None = None
    clock: float = 0.0
    pause: float = 0.0
    cut: int = 0
    times: int = 0

    @property
    def body(self) -> bytes:
        if self.status < 300:
            return b""  # S3's own answer to a PUT has none
        return f"<Error><Code>{self.code}</Code><Message>By the test.</Message></Error>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fault: Fault
    host: str
    netloc: str
    failed: list[str]
    ahead = 0.0  # of the clock, for the answer that comes next

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.ahead)

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        spared = self.client_address[0] == self.host and not self.fault.everybody
        spared = spared or bool(self.fault.since and not self.fault.since.is_set())
        if (
            spared
            or self.command not in self.fault.methods
            or not urlsplit(self.path).path.endswith(self.fault.path)
        ):
            self.forward(body)
        elif self.fault.cut:
            self.failed.append(self.path)
            over = self.fault.times and len(self.failed) > self.fault.times
            self.forward(body, 0 if over else self.fault.cut)
        elif self.fault.clock or self.fault.pause:
            time.sleep(self.fault.pause)
            self.ahead = self.fault.clock
            self.forward(body)
        elif self.fault.status:
            self.reply(self.fault.status, [("Content-Type", "application/xml")], self.fault.body)
        else:
            self.close_connection = True

    def forward(self, body: bytes, cut: int = 0) -> None:
        """With the Host header that it came with: S3's signatures include it."""
        upstream = http.client.HTTPConnection(self.netloc)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "expect":
                upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in OWN_HEADERS]
        content = answer.read()
        self.reply(answer.status, headers, content[: len(content) - cut])
        upstream.close()

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if self.command == "HEAD" or name.lower() != "content-length":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Tests say what went wrong."""


@contextmanager
def failing(server_url: str, fault: Fault) -> Iterator[str]:
    """The proxy's address, while the block lasts. server_url: the S3 server's (http), which pods can reach."""
    target = urlsplit(server_url)
    host = target.hostname or ""
    told = {"fault": fault, "host": host, "netloc": target.netloc, "failed": []}
    with ThreadingHTTPServer((host, 0), type("Handler", (_Handler,), told)) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://{host}:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
