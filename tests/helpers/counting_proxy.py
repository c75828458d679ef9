"""A proxy that counts the requests on their way to a server.

It forwards each request with the Host header it came with, since S3's signatures include that header.
"""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Counter:
    """What has arrived, in S3's words: `HEAD /bucket/key`, or `LIST /bucket/prefix`.

    connections: how many have been made. pieces: the same requests, each with the part or range of a file that it is
    about, or nothing. times: when each request arrived, by time.monotonic().
    faults: HTTP status and S3's code that the next requests are answered, instead of being passed on.
    change, change_answer: what becomes of a request's body on its way, and of that of its answer.
    """

    url: str
    connections: int = 0
    requests: list[str] = field(default_factory=list)
    pieces: list[tuple[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    change: Callable[[str, bytes], bytes] = lambda _, body: body
    change_answer: Callable[[str, bytes], bytes] = lambda _, body: body

    @property
    def lists(self) -> list[str]:
        return [request.removeprefix("LIST ") for request in self.requests if request.startswith("LIST ")]

    def of(self, method: str) -> list[str]:
        return [request for request in self.requests if request.startswith(f"{method} ")]


class _AnyMethod(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.forward
        raise AttributeError(name)

    def fail(self, status: int, code: str) -> None:
        body = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        pass


@contextmanager
def counting(server_url: str, address: str = "127.0.0.1", delay: float = 0.0) -> Iterator[Counter]:
    """Run a proxy for server_url (http) while the block lasts.

    address: of this machine, where it listens. delay: seconds that each request is on its way.
    """
    target = urlsplit(server_url).netloc

    class Forward(_AnyMethod):
        def setup(self) -> None:
            counter.connections += 1
            super().setup()

        def forward(self) -> None:
            counter.times.append(time.monotonic())
            counter.requests.append(described(self.command, self.path))
            counter.pieces.append((counter.requests[-1], part_of(self.path) or self.headers.get("Range", "")))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            time.sleep(delay)
            if counter.faults:
                self.fail(*counter.faults.pop(0))
                return
            upstream = http.client.HTTPConnection(target)
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    upstream.putheader(name, value)
            upstream.endheaders(counter.change(described(self.command, self.path), body))
            self.answer(upstream.getresponse())
            upstream.close()

        def answer(self, answer: http.client.HTTPResponse) -> None:
            body = counter.change_answer(described(self.command, self.path), answer.read())
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in (
                    "transfer-encoding",
                    "connection",
                    "content-length",
                    "date",
                    "server",
                ):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer((address, 0), Forward) as proxy:
        counter = Counter(f"http://{address}:{proxy.server_port}")
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield counter
        finally:
            proxy.shutdown()


def part_of(path: str) -> str:
    return parse_qs(urlsplit(path).query).get("partNumber", [""])[0]


def described(method: str, path: str) -> str:
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    if method == "GET" and "prefix" in query:
        return f"LIST {parts.path}/{query['prefix'][0]}"
    return f"{method} {unquote(parts.path)}"
