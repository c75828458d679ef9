"""Requests for small objects by AWS's Common Runtime, a library in C, where its Python package `awscrt` is installed.

It takes about half of the processor's time that Python takes for the same. Large objects would take more, as all
that comes is copied for Python once more. Bodies are not part of its signature; the MD5 sum that goes with each file
is. What it cannot carry out is left to boto, which then asks again: so there is one place that tries again, waits and
knows words.
"""

from __future__ import annotations

import threading
from io import BytesIO
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from botocore.credentials import ReadOnlyCredentials

T = TypeVar("T")

_CONNECTIONS: Final = 64
_GIGABITS: Final = 100.0  # the runtime reckons from this how many connections it needs: enough for those
_MEMORY_BYTES: Final = 1024 * 1024 * 1024  # the least limit that it takes; it is far from using that
# it is not installed; another version has other names; it does not take certificates that Python takes
_NOT_USABLE: Final = (ImportError, AttributeError, TypeError, ValueError, RuntimeError)
# the runtime ends a request of which no byte moves for half a minute, also if the system still has its body to send
_SENT_AT_ONCE_BYTES: Final = 8 * 1024 * 1024
_OPERATIONS: Final = {"GET": "GetObject", "PUT": "PutObject"}


class Request(NamedTuple):
    """A request without its signature."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Came(NamedTuple):
    """A success. headers: by their names in lower case."""

    headers: Mapping[str, str]
    body: BytesIO


class CommonRuntimes:
    """The Common Runtime for each kind of server, from the first request that it may carry out. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], CommonRuntime | None] = {}

    def of(self, session: Any, url: str, region: str) -> CommonRuntime | None:
        """Return what sends requests as the session of a botocore client does; None if it is not there, or cannot.

        url: of the server.
        """
        kind = (urlsplit(url).netloc, region)
        with self._lock:
            if kind not in self._found:
                self._found[kind] = _runtime(session, url, region)
            found = self._found[kind]
        return found if found and found.is_of_use else None


def _runtime(session: Any, url: str, region: str) -> CommonRuntime | None:
    if session._proxy_config.proxy_url_for(url) or session._cert_file:
        return None
    try:
        import awscrt.auth
        import awscrt.http
        import awscrt.io
        import awscrt.s3

        tls = urlsplit(url).scheme == "https"
        return CommonRuntime(awscrt, region, get_cert_path(session._verify) if tls else None)
    except _NOT_USABLE:
        return None


class CommonRuntime:
    """One client of it. Any thread may call.

    awscrt: the package. certificates: a file of those that are trusted; False if each is, None without TLS.
    is_of_use: not if the first request has failed, as a server may not take them in its way.
    """

    def __init__(self, awscrt: ModuleType, region: str, certificates: str | bool | None) -> None:
        self._awscrt, self._region = awscrt, region
        self._signed_for: tuple[ReadOnlyCredentials, Any] | None = None
        self.is_of_use, self._has_served = True, False
        io, s3 = awscrt.io, awscrt.s3
        threads = io.EventLoopGroup(1)
        tls = None if certificates is None else _tls(io, certificates)
        self._client = s3.S3Client(
            bootstrap=io.ClientBootstrap(threads, io.DefaultHostResolver(threads)),
            region=region,
            tls_mode=s3.S3RequestTlsMode.ENABLED if tls else s3.S3RequestTlsMode.DISABLED,
            tls_connection_options=tls,
            throughput_target_gbps=_GIGABITS,
            memory_limit=_MEMORY_BYTES,
            max_active_connections_override=_CONNECTIONS,
            retry_config=s3.S3RetryConfig(retry_mode=s3.S3RetryMode.NONE),
        )

    def begin(
        self, request: Request, keys: ReadOnlyCredentials, end: Callable[[Came | None], None]
    ) -> Callable[[], None]:
        """Send without waiting. Return what cancels it.

        end: is called with the answer, or None, by a thread of the runtime's.
        """

        def over(came: Came | None) -> None:
            self._has_served = self._has_served or came is not None
            self.is_of_use = self._has_served
            end(came)

        answer = _Answer(over)
        under_way = self._client.make_request(
            type=self._awscrt.s3.S3RequestType.DEFAULT,
            operation_name=_OPERATIONS[request.method],
            request=self._request(request),
            signing_config=self._signing(keys),
            on_headers=answer.on_headers,
            on_body=answer.on_body,
            on_done=answer.on_done,
        )
        cancel: Callable[[], None] = under_way.cancel
        return cancel

    def _request(self, request: Request) -> Any:
        http = self._awscrt.http
        _, _, host, path = request.url.split("/", 3)
        headers = {"Host": host, "Accept-Encoding": "identity", **request.headers}
        body = None if request.body is None else BytesIO(request.body)
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        return http.HttpRequest(request.method, f"/{path}", http.HttpHeaders(headers.items()), body)

    def _signing(self, keys: ReadOnlyCredentials) -> Any:
        known = self._signed_for
        if known and known[0] == keys:
            return known[1]
        provider = self._awscrt.auth.AwsCredentialsProvider.new_static(
            keys.access_key, keys.secret_key, keys.token
        )
        made = self._awscrt.s3.create_default_s3_signing_config(
            region=self._region, credential_provider=provider
        )
        self._signed_for = keys, made
        return made


class UnderWay(Generic[T]):
    """Requests that were begun, each for something, of one thread."""

    def __init__(self) -> None:
        self._came: SimpleQueue[tuple[int, Came | None]] = SimpleQueue()
        self._begun: dict[int, tuple[T, int, Callable[[], None]]] = {}
        self._count = self._sent = 0

    def begin(self, item: T, runtime: CommonRuntime, request: Request, keys: ReadOnlyCredentials) -> None:
        """Send a request for something."""
        number = self._count = self._count + 1
        cancel = runtime.begin(request, keys, lambda answer: self._came.put((number, answer)))
        size = len(request.body or b"")
        self._sent += size
        self._begun[number] = (item, size, cancel)

    def is_full(self) -> bool:
        """Return whether one more would not be sent at once, or so many bodies that a slow line takes too long."""
        return len(self._begun) >= _CONNECTIONS or self._sent >= _SENT_AT_ONCE_BYTES

    def __bool__(self) -> bool:
        return bool(self._begun)

    def take(self) -> tuple[T, Came | None]:
        """Wait for the next answer. Return what it is for, and the answer; None for a failure.

        The runtime itself ends a request of which no byte moves for half a minute; one that is slow may last.
        """
        number, answer = self._came.get()
        item, size, _ = self._begun.pop(number)
        self._sent -= size
        return item, answer

    def cancel(self) -> None:
        """Have those that are not over fail soon."""
        for _, _, cancel in self._begun.values():
            cancel()


def _tls(io: ModuleType, certificates: str | bool) -> Any:
    """Return what connections take. certificates: as of CommonRuntime."""
    trusted = io.TlsContextOptions()
    if isinstance(certificates, str):
        trusted.override_default_trust_store_from_path(None, certificates)
    trusted.verify_peer = bool(certificates)
    return io.ClientTlsContext(trusted).new_connection_options()


class _Answer:
    """What comes of a request, told by a thread of the runtime's. end: is called with it, or None for a failure."""

    def __init__(self, end: Callable[[Came | None], None]) -> None:
        self._end = end
        self._headers: Sequence[tuple[str, str]] = ()
        self._body = list[bytes]()

    def on_headers(self, *, headers: Sequence[tuple[str, str]], **_: object) -> None:
        self._headers = headers

    def on_body(self, *, chunk: bytes, **_: object) -> None:
        self._body.append(chunk)

    def on_done(self, *, error: object = None, **_: object) -> None:
        if error:
            self._end(None)
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._end(Came({name.lower(): value for name, value in self._headers}, BytesIO(body)))
