"""Single requests to the API server, and connections to it: with the context's credentials, by its proxy."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from byok8s.kube.context import Context
from byok8s.kube.credentials import Credentials
from byok8s.kube.errors import UNAUTHORIZED, Unreachable, cause, refusal
from byok8s.kube.objects import Object

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
JSON = "application/json"
MOST_CONNECTIONS = 16
# A connection that a sleeping laptop or a NAT has lost looks like one on which nothing is said: the system asks the
# other end, after 30 s of silence three times in 30 s. kubectl does so on its own, with HTTP/2.
KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in {
            "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE": 30,
            "TCP_KEEPINTVL": 10,
            "TCP_KEEPCNT": 3,
        }.items()
        if hasattr(socket, name)
    ),
]


@dataclass(frozen=True)
class Call:
    """A request. read_seconds: the longest silence before its answer counts as lost."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Object | None = None
    accept: str = JSON
    read_seconds: float = READ_SECONDS


class Transport:
    """Thread-safe. Raises Unreachable, ApiError and NoCredentials.

    accepted: whether the server has ever taken our credentials.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        self._pool: PoolManager | None = None
        self._shown: tuple[str, str] | None = None  # the certificate and key of both
        self.accepted = False

    def send(self, call: Call) -> BaseHTTPResponse:
        """The answer, of which the body is not yet read; never one that says no."""
        credentials = self._context.credentials()
        response = self._ask(call, credentials)
        if response.status == UNAUTHORIZED and (others := self._context.renew(credentials)) != credentials:
            response.close()
            response = self._ask(call, others)
        self.accepted |= response.status != UNAUTHORIZED
        if response.status >= 400:
            request = f"{call.method} {self._context.server}{call.path}"
            raise refusal(request, response.status, response.headers, self.read(response))
        if response.status >= 300 or "html" in response.headers.get("Content-Type", ""):
            response.close()
            raise self.unreachable("something else answers in its place, a proxy's login perhaps")
        return response

    def read(self, response: BaseHTTPResponse) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            return response.data
        except HTTPError as error:
            self.drop_connections()
            raise self.unreachable(cause(error)) from error

    def stream(self, call: Call) -> Stream:
        return Stream(self.send(call), self.drop_connections)

    def connect(self, credentials: Credentials, seconds: float) -> socket.socket:
        """A connection for something that is no request. seconds: for each step of it."""
        server = urlsplit(self._context.server)
        try:
            connection = _connect(server, self._context.proxy, seconds)
            if server.scheme != "https":
                return connection
            name = self._context.tls_server_name or server.hostname
            return self._tls_for(credentials).wrap_socket(connection, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            self._forget_tls()
            raise self.unreachable(cause(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise self.unreachable(cause(error)) from error

    def drop_connections(self) -> None:
        """Of those that wait to be used again: where one is broken, so are they all. Those in use stay."""
        with self._lock:
            if self._pool:
                self._pool.clear()

    def unreachable(self, why: str) -> Unreachable:
        return Unreachable(
            f"The Kubernetes API at {self._context.server} cannot be reached.",
            where=f"Context {self._context.name!r}: {why}.",
            hint="Is the cluster up, and is this the right --context? A VPN or proxy may be needed.",
            cause=why,
        )

    def _ask(self, call: Call, credentials: Credentials) -> BaseHTTPResponse:
        from urllib3 import HTTPHeaderDict, Timeout
        from urllib3.exceptions import HTTPError, SSLError

        from byok8s import __version__

        headers = HTTPHeaderDict({"Accept": call.accept, "User-Agent": f"byok8s/{__version__}"})
        for name, value in credentials.headers():
            headers.add(name, value.encode().decode("latin-1"))  # so that UTF-8 is on the wire
        if call.body is not None:
            headers["Content-Type"] = "application/merge-patch+json" if call.method == "PATCH" else JSON
        try:
            return self._pool_for(credentials).request(
                call.method,
                f"{self._context.server}{call.path}" + (f"?{urlencode(call.query)}" if call.query else ""),
                body=None if call.body is None else json.dumps(call.body).encode(),
                headers=headers,
                timeout=Timeout(connect=CONNECT_SECONDS, read=call.read_seconds),
                retries=False,
                preload_content=False,
            )
        except HTTPError as error:
            if isinstance(error, SSLError):
                self._forget_tls()
            else:
                self.drop_connections()
            raise self.unreachable(cause(error)) from error

    def _tls_for(self, credentials: Credentials) -> ssl.SSLContext:
        """Return what all connections share: with the system's CAs, each would take 50 ms to make its own."""
        with self._lock:
            return self._make_tls(credentials)

    def _forget_tls(self) -> None:
        """The server's certificate is not taken: a CA that has changed since is read again."""
        with self._lock:
            self._tls = self._pool = None

    def _pool_for(self, credentials: Credentials) -> PoolManager:
        with self._lock:
            tls = self._make_tls(credentials)
            self._pool = self._pool or self._make_pool(tls)
            return self._pool

    def _make_tls(self, credentials: Credentials) -> ssl.SSLContext:
        shown = (credentials.certificate, credentials.key)
        if self._tls is None or self._shown != shown:
            self._tls, self._shown, self._pool = self._context.ssl_context(credentials), shown, None
        return self._tls

    def _make_pool(self, tls: ssl.SSLContext) -> PoolManager:
        import urllib3
        from urllib3.connection import HTTPConnection

        if tls.verify_mode is ssl.CERT_NONE:  # the kubeconfig says so; each request need not say it again
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        options: dict[str, object] = {
            "ssl_context": tls,
            "maxsize": MOST_CONNECTIONS,
            "socket_options": [*HTTPConnection.default_socket_options, *KEEP_ALIVE],
        }
        if name := self._context.tls_server_name:
            options |= {"server_hostname": name, "assert_hostname": name}
        if not self._context.proxy:
            return urllib3.PoolManager(**options)  # type: ignore[arg-type]
        proxy = urlsplit(self._context.proxy)
        return urllib3.ProxyManager(
            proxy._replace(netloc=proxy.netloc.rpartition("@")[2]).geturl(),
            proxy_headers=_proxy_headers(proxy),
            **options,  # type: ignore[arg-type]
        )


class Stream:
    """One long answer, line by line. `close` ends it from any thread. on_broken(): called where it breaks."""

    def __init__(self, response: BaseHTTPResponse, on_broken: Callable[[], None]) -> None:
        self._response, self._on_broken = response, on_broken

    def lines(self) -> Iterator[bytes]:
        """Raises Unreachable when the connection breaks or is silent for too long."""
        from urllib3.exceptions import HTTPError

        pending: list[bytes] = []
        try:
            for chunk in self._response.stream(amt=None):
                head, *rest = chunk.split(b"\n")
                pending.append(head)
                for line in rest:
                    yield b"".join(pending)
                    pending = [line]
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            # urllib3 raises the last two when another thread shuts the response down in mid-read
            self._on_broken()
            why = cause(error)
            raise Unreachable(
                "The stream from the Kubernetes API broke.", where=f"{why}.", cause=why
            ) from error
        finally:
            self._response.close()

    def close(self) -> None:
        # it has ended by itself, or the thread that reads it is just closing it
        with contextlib.suppress(ValueError, RuntimeError, TypeError, OSError):
            self._response.shutdown()


def _connect(server: SplitResult, proxy: str, seconds: float) -> socket.socket:
    """To the server, or through the proxy to it."""
    host, port = server.hostname or "", server.port or (443 if server.scheme == "https" else 80)
    by = urlsplit(proxy) if proxy else None
    connection = http.client.HTTPConnection(
        (by.hostname or "") if by else host, (by.port or 80) if by else port, timeout=seconds
    )
    if by:
        connection.set_tunnel(host, port, headers=_proxy_headers(by))
    connection.connect()
    for option in KEEP_ALIVE:
        connection.sock.setsockopt(*option)
    return connection.sock


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    from urllib3.util import make_headers

    if not proxy.username:
        return {}
    name_and_password = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return dict(make_headers(proxy_basic_auth=name_and_password))
