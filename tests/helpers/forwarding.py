"""A server that passes all that it is sent on to another, byte for byte."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def forwarding(server_url: str, address: str) -> Iterator[str]:
    """The url of a server at this address that passes on to `server_url`, while the block lasts."""
    target = urlsplit(server_url)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((target.hostname or "", target.port or 80)) as onward:
                back = threading.Thread(target=_pass_on, args=(onward, self.request), daemon=True)
                back.start()
                _pass_on(self.request, onward)
                back.join()

    with socketserver.ThreadingTCPServer((address, 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://{address}:{server.server_address[1]}"
        finally:
            server.shutdown()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
