"""Requests to the Kubernetes API: JSON in, JSON out, patient with a server that is away for a moment."""

from __future__ import annotations

import contextlib
import functools
import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from byok8s.errors import ClusterError
from byok8s.kube.context import Context
from byok8s.kube.json import Json, Object, items, text

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 10.0
JSON = "application/json"
ONLY_METADATA = f"{JSON};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PAGE = 500
TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 400, 401, 403, 404
CONFLICT, GONE, UNPROCESSABLE = 409, 410, 422
HINTS = {
    UNAUTHORIZED: "Your credentials are not (or no longer) accepted: log in to the cluster again.",
    FORBIDDEN: "Ask the cluster's operator for this right, or name another namespace.",
}


class Unreachable(ClusterError):
    """The API server could not be reached, or its answer was cut off."""


class ApiError(ClusterError):
    """The API server answered, and the answer is no.

    code: of HTTP. reason, message: the words of the Status object that it sent.
    """

    def __init__(self, request: str, code: int, reason: str, message: str) -> None:
        super().__init__(
            f"The Kubernetes API said no: {(message or reason or str(code)).rstrip('.')}.",
            where=f"{request} ({code} {reason}).",
            hint=HINTS.get(code, ""),
        )
        self.code, self.reason, self.message = code, reason, message


@dataclass(frozen=True)
class _Call:
    """A request. read_seconds: the longest silence before its answer counts as lost."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Object | None = None
    accept: str = JSON
    read_seconds: float = READ_SECONDS


class KubeClient:
    """A thread-safe connection to one cluster."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._renewing = threading.Lock()
        self._pool = self._connect()

    def get(
        self, path: str, query: Mapping[str, str] | None = None, *, patience: float = PATIENCE_SECONDS
    ) -> Object:
        """patience: seconds to go on trying while the server cannot be reached or is overloaded."""
        return self._json(_Call("GET", path, query), patience)

    def get_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        return self._patiently(_Call("GET", path, query), PATIENCE_SECONDS).decode(errors="replace")

    def find(self, path: str, selector: str, *, only_metadata: bool = False) -> list[dict[str, Json]]:
        """All objects at `path` that carry `selector`'s labels.

        only_metadata: leave out what they hold, as the data of Secrets, which then does not travel at all.
        """
        query, accept = (
            {"labelSelector": selector, "limit": str(PAGE)},
            ONLY_METADATA if only_metadata else JSON,
        )
        found: list[dict[str, Json]] = []
        while True:
            page = self._json(_Call("GET", path, query, accept=accept), PATIENCE_SECONDS)
            found += items(page, "items")
            query["continue"] = text(page, "metadata", "continue")
            if not query["continue"]:
                return found

    def now(self) -> datetime:
        """The API server's clock, to the second: that by which it writes when an object was created."""
        response = self._send(_Call("GET", "/version"))
        self._read(response)
        try:
            return parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError) as error:
            raise Unreachable(
                f"The Kubernetes API at {self.context.server} does not tell its time.",
                where=f"Its answers have no Date that can be read: {error}.",
                hint="A proxy on the way to it may take that header away.",
            ) from error

    def post(
        self,
        path: str,
        body: Object,
        query: Mapping[str, str] | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> Object:
        return self._json(_Call("POST", path, query, body), patience)

    def patch(self, path: str, body: Object, *, patience: float = PATIENCE_SECONDS) -> Object:
        """A JSON merge patch (RFC 7386)."""
        return self._json(_Call("PATCH", path, body=body), patience)

    def delete(
        self, path: str, options: Object | None = None, query: Mapping[str, str] | None = None, *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:  # fmt: skip
        """options: a DeleteOptions object's fields. What is not there counts as deleted."""
        try:
            self._patiently(_Call("DELETE", path, query, options or {}), patience)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise

    def stream(self, path: str, query: Mapping[str, str], silence: float) -> Stream:
        """The answer as it comes. silence: the longest pause, in seconds, before it counts as dead."""
        return Stream(self._send(_Call("GET", path, query, read_seconds=silence)))

    def _json(self, call: _Call, patience: float) -> Object:
        answer: Object = json.loads(self._patiently(call, patience))
        return answer

    def _patiently(self, call: _Call, patience: float) -> bytes:
        end = time.monotonic() + patience
        for pause in pauses():
            try:
                return self._read(self._send(call))
            except (Unreachable, ApiError) as error:
                if isinstance(error, ApiError) and error.code not in TRY_AGAIN:
                    raise
                if time.monotonic() + pause > end:
                    raise
            time.sleep(pause)
        raise AssertionError("the pauses never end")

    def _read(self, response: BaseHTTPResponse) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            return response.data
        except HTTPError as error:
            raise self._unreachable(error) from error

    def _send(self, call: _Call) -> BaseHTTPResponse:
        response = self._request(call)
        if response.status == UNAUTHORIZED:
            self._renew()
            response = self._request(call)
        if response.status >= 400:
            request = f"{call.method} {self.context.server}{call.path}"
            raise _api_error(request, response.status, self._read(response))
        return response

    def _request(self, call: _Call) -> BaseHTTPResponse:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        from byok8s import __version__

        headers = {"Accept": call.accept, "User-Agent": f"byok8s/{__version__}"}
        if token := self.context.bearer_token():
            headers["Authorization"] = f"Bearer {token}"
        if call.body is not None:
            headers["Content-Type"] = "application/merge-patch+json" if call.method == "PATCH" else JSON
        try:
            return self._pool.request(
                call.method,
                f"{self.context.server}{call.path}" + (f"?{urlencode(call.query)}" if call.query else ""),
                body=None if call.body is None else json.dumps(call.body).encode(),
                headers=headers,
                timeout=Timeout(connect=CONNECT_SECONDS, read=call.read_seconds),
                retries=False,
                preload_content=False,
            )
        except HTTPError as error:
            raise self._unreachable(error) from error

    def _renew(self) -> None:
        with self._renewing:
            self.context.renew()
            self._pool = self._connect()  # the new credentials may be a certificate

    def _connect(self) -> PoolManager:
        import urllib3

        options: dict[str, object] = {"ssl_context": self.context.ssl_context(), "maxsize": 16}
        if name := self.context.tls_server_name:
            options |= {"server_hostname": name, "assert_hostname": name}
        if self.context.proxy:
            return urllib3.ProxyManager(self.context.proxy, **options)  # type: ignore[arg-type]
        return urllib3.PoolManager(**options)  # type: ignore[arg-type]

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"The Kubernetes API at {self.context.server} cannot be reached.",
            where=f"Context {self.context.name!r}: {_root_cause(error)}.",
            hint="Is the cluster up, and is this the right --context? A VPN or proxy may be needed.",
        )


class Stream:
    """One long answer, line by line. `close` ends it from any thread."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response

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
            raise Unreachable(
                "The stream from the Kubernetes API broke.", where=_root_cause(error)
            ) from error
        finally:
            self._response.close()

    def close(self) -> None:
        with contextlib.suppress(ValueError):  # it has ended by itself
            self._response.shutdown()


@functools.cache
def connect(context: str | None = None) -> KubeClient:
    """The connection to a kubeconfig's context (None: its current one), made once in a process."""
    return KubeClient(Context(context))


def pauses() -> Iterator[float]:
    """Ever longer waits between tries, in seconds, spread so that many clients do not come back at once."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.75, 1.25)  # noqa: S311 - guards nothing
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _api_error(request: str, code: int, body: bytes) -> ApiError:
    try:
        status: Json = json.loads(body)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        return ApiError(request, code, "", body[:200].decode(errors="replace"))
    return ApiError(request, code, str(status.get("reason") or ""), str(status.get("message") or ""))


def _root_cause(error: BaseException) -> str:
    while cause := error.__cause__ or error.__context__:
        error = cause
    return f"{type(error).__name__}: {error}"
