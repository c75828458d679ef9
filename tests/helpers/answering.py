"""A server over real sockets whose every answer, and failure to answer, is the test's to say; a proxy to it."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class Request:
    """connection: the how-manieth of the server it came by. peer: the common name of the client's certificate.
    all_headers: with those that come several times."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    peer: str
    all_headers: Sequence[tuple[str, str]] = ()

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Answer:
    """cut: the connection is closed in place of an answer. close: it is closed after the answer, which does not
    say so. hold: nothing more is said on it as long as the server lives."""

    code: int = 200
    content: object = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    close: bool = False
    hold: bool = False


@dataclass
class Served:
    url: str
    requests: list[Request] = field(default_factory=list)


OK = Answer()
REFUSED = Answer(401, {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"})


@contextmanager
def answering(answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """answer: called for each request, in the thread of its connection."""
    served, ending = Served(""), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        connections: ClassVar[list[object]] = []

        def setup(self) -> None:
            super().setup()
            self.connections.append(self.request)
            self.number = len(self.connections)

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(
                self.command,
                self.path,
                dict(self.headers),
                body,
                self.number,
                _name_of_peer(self.request),
                self.headers.items(),
            )
            served.requests.append(request)
            said = answer(request)
            self.close_connection = said.cut or said.hold or said.close
            if said.cut:
                return
            (self.send_response_only if "Date" in said.headers else self.send_response)(said.code)
            content = said.content if isinstance(said.content, bytes) else json.dumps(said.content).encode()
            for name, value in {"Content-Length": str(len(content)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            if said.hold:
                ending.wait()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = reply  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Tests say what went wrong."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that went away is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    served.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield served
    finally:
        ending.set()
        server.shutdown()
        server.server_close()


@contextmanager
def proxy(names: Mapping[str, str] = {}) -> Iterator[Served]:
    """An HTTP proxy that makes tunnels (CONNECT), as for https. names: of servers that it alone can find."""
    served = Served("")

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            served.requests.append(Request("CONNECT", self.path, dict(self.headers), b"", 0, ""))
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((names.get(host, host), int(port))) as onward:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pass_on, args=(onward, self.connection), daemon=True)
                back.start()
                _pass_on(self.connection, onward)
                back.join()

        def log_message(self, *_: object) -> None:
            """Tests say what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def _name_of_peer(connection: object) -> str:
    peer = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    subject = peer.get("subject", ()) if peer else ()
    return next((str(pair[1]) for part in subject for pair in part if pair[0] == "commonName"), "")


def websocket(request: Request) -> Answer:
    """The server's side of the handshake (RFC 6455, 4.2.2); the stream then stays open."""
    key = request.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    return Answer(
        101,
        b"",
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept,
            "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
        },
        hold=True,
    )


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@dataclass(frozen=True)
class Keys:
    """certificate, key: files."""

    certificate: Path
    key: Path


def authority(folder: Path) -> Keys:
    """A certificate authority."""
    made = Keys(folder / "ca.crt", folder / "ca.key")
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ca",
             "-keyout", made.key, "-out", made.certificate)  # fmt: skip
    return made


def keys(ca: Keys, folder: Path, name: str) -> Keys:
    """Of a server, as which it has `name` alone; or of a client."""
    made, request, words = (
        Keys(folder / f"{name}.crt", folder / f"{name}.key"),
        folder / "csr",
        folder / "ext",
    )
    kind = "IP" if name[0].isdigit() else "DNS"
    words.write_text(f"subjectAltName={kind}:{name}\n")
    _openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", made.key, "-out", request
    )
    _openssl("x509", "-req", "-in", request, "-CA", ca.certificate, "-CAkey", ca.key, "-CAcreateserial",
             "-days", "2", "-extfile", words, "-out", made.certificate)  # fmt: skip
    return made


def server_side(server: Keys, clients: Keys | None = None) -> ssl.SSLContext:
    """clients: the authority of their certificates, which they may have, as a Kubernetes API server takes them."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.certificate, server.key)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python's default since 3.13, and no API server's
    if clients:
        context.load_verify_locations(clients.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
