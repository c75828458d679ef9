"""A command run inside a container, with its standard input and output as one stream (`pods/exec`).

The WebSocket form, v4.channel.k8s.io: every frame begins with a byte that names its channel. It is served by all
versions since 1.20 and before; nothing of it needs kubectl or a port.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from byok8s.kube.client import KubeClient
from byok8s.kube.credentials import Credentials
from byok8s.kube.errors import SHOWN_BYTES, UNAUTHORIZED, ApiError, Unreachable, cause, refusal
from byok8s.kube.objects import text

if TYPE_CHECKING:
    from websocket import WebSocket

STDIN, STDOUT, STDERR, STATUS = range(4)
CONNECT_SECONDS = 15.0


class ExecStream:
    """An open stream. `send` and `receive` may be used by two threads at once.

    path: of the pod. Raises ApiError if the server refuses, NoCredentials, and Unreachable if it cannot be
    reached; so does every use of a stream that has broken.
    """

    def __init__(self, client: KubeClient, path: str, container: str, command: Sequence[str]) -> None:
        self._client = client
        self._errors = bytearray()
        query = [("container", container), ("stdin", "1"), ("stdout", "1"), ("stderr", "1")]
        self._socket = self._open(f"{path}/exec", [*query, *(("command", word) for word in command)])

    def send(self, data: bytes) -> None:
        from websocket import WebSocketException

        try:
            self._socket.send_binary(bytes([STDIN]) + data)
        except (WebSocketException, OSError) as error:
            raise self._broken(error) from error

    def receive(self, seconds: float) -> bytes:
        """What the command has written since; nothing when `seconds` have passed without a word."""
        from websocket import WebSocketException, WebSocketTimeoutException

        try:
            self._socket.settimeout(seconds)
            frame = self._socket.recv()
        except WebSocketTimeoutException:
            return b""
        except (WebSocketException, OSError, AttributeError) as error:
            self._socket.shutdown()
            raise self._broken(error) from error
        data = frame.encode() if isinstance(frame, str) else bytes(frame)
        if not data:
            raise self._broken(ConnectionResetError("the stream was closed"))
        match data[0]:
            case 1:
                return data[1:]
            case 2:
                self._errors += data[1:]
            case 3:
                raise self._broken(RuntimeError(_status(data[1:])))
        return b""

    def close(self) -> None:
        """From any thread; one that is receiving finds the stream broken, and closes its socket."""
        if connection := self._socket.sock:
            with contextlib.suppress(OSError):  # it has broken by itself
                connection.shutdown(socket.SHUT_RDWR)

    def _open(self, path: str, query: Sequence[tuple[str, str]]) -> WebSocket:
        credentials = self._client.context.credentials()
        try:
            return self._shake_hands(path, query, credentials)
        except ApiError as error:
            if (
                error.code != UNAUTHORIZED
                or (others := self._client.context.renew(credentials)) == credentials
            ):
                raise
            return self._shake_hands(path, query, others)

    def _shake_hands(
        self, path: str, query: Sequence[tuple[str, str]], credentials: Credentials
    ) -> WebSocket:
        import websocket

        server = urlsplit(self._client.context.server)
        scheme = "wss" if server.scheme == "https" else "ws"
        # connected by ourselves: the library takes proxies from other places than we do, and checks certificates
        # that are said not to be checked
        connection = self._client.transport.connect(credentials, CONNECT_SECONDS)
        try:
            return websocket.create_connection(
                f"{scheme}://{server.netloc}{server.path}{path}?{urlencode(query)}",
                timeout=CONNECT_SECONDS,
                header=[f"{name}: {value}" for name, value in credentials.headers()],
                subprotocols=["v4.channel.k8s.io"],
                enable_multithread=True,
                redirect_limit=0,
                socket=connection,
            )
        except websocket.WebSocketBadStatusException as error:
            request = f"GET {self._client.context.server}{path}"
            raise refusal(
                request, error.status_code, error.resp_headers or {}, error.resp_body or b""
            ) from error
        except (websocket.WebSocketException, OSError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> Unreachable:
        said = self._errors.decode(errors="replace").strip()
        why = f"{cause(error)} {said}".strip()
        return Unreachable("The stream to a pod broke.", where=why, cause=why)


def _status(body: bytes) -> str:
    try:
        return text(json.loads(body), "message")
    except ValueError:
        return body[:SHOWN_BYTES].decode(errors="replace")
