"""A command run inside a container, with its standard input and output as one stream (`pods/exec`).

The WebSocket form, v4.channel.k8s.io: every frame begins with a byte that names its channel. It is served by all
versions since 1.20 and before; nothing of it needs kubectl or a port.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from byok8s.kube.client import ApiError, KubeClient, Unreachable
from byok8s.kube.json import text

if TYPE_CHECKING:
    from websocket import WebSocket

STDIN, STDOUT, STDERR, STATUS = range(4)
CONNECT_SECONDS = 15.0


class ExecStream:
    """An open stream. `send` and `receive` may be used by two threads at once.

    path: of the pod. Raises ApiError where the server refuses, Unreachable where it cannot be reached; so does
    every use of a stream that has broken.
    """

    def __init__(self, client: KubeClient, path: str, container: str, command: Sequence[str]) -> None:
        self._client = client
        self._socket = self._open(f"{path}/exec", container, command)
        self._errors = bytearray()

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
        self._socket.shutdown()

    def _open(self, path: str, container: str, command: Sequence[str]) -> WebSocket:
        import websocket

        query = [("container", container), ("stdin", "1"), ("stdout", "1"), ("stderr", "1")]
        query += [("command", word) for word in command]
        context = self._client.context
        server = urlsplit(context.server)
        scheme = "wss" if server.scheme == "https" else "ws"
        token = context.bearer_token()
        options: dict[str, object] = {"context": context.ssl_context()}
        if context.tls_server_name:
            options["server_hostname"] = context.tls_server_name
        proxy = urlsplit(context.proxy) if context.proxy else None
        try:
            return websocket.create_connection(
                f"{scheme}://{server.netloc}{server.path}{path}?{urlencode(query)}",
                timeout=CONNECT_SECONDS,
                header=[f"Authorization: Bearer {token}"] if token else [],
                subprotocols=["v4.channel.k8s.io"],
                sslopt=options,
                enable_multithread=True,
                http_proxy_host=proxy.hostname if proxy else None,
                http_proxy_port=proxy.port if proxy else None,
                http_no_proxy=None if proxy else ["*"],
            )
        except websocket.WebSocketBadStatusException as error:
            words = _status(error.resp_body or b"")
            raise ApiError(f"GET {context.server}{path}", error.status_code, "", words) from error
        except (websocket.WebSocketException, OSError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> Unreachable:
        said = getattr(self, "_errors", b"").decode(errors="replace").strip()
        return Unreachable(
            "The stream to a pod broke.", where=f"{type(error).__name__}: {error} {said}".strip()
        )


def _status(body: bytes) -> str:
    try:
        return text(json.loads(body), "message")
    except ValueError:
        return body[:200].decode(errors="replace")
