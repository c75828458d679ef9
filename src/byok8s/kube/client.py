"""Requests to the Kubernetes API: JSON in, JSON out, patient with a server that is away for a moment."""

from __future__ import annotations

import functools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from byok8s.errors import ClusterError
from byok8s.kube.context import Context
from byok8s.kube.errors import (
    ALREADY_EXISTS,
    CONFLICT,
    GONE,
    NOT_FOUND,
    UNAUTHORIZED,
    ApiError,
    NoCredentials,
    Unreachable,
    after,
)
from byok8s.kube.objects import Json, Object, items, text
from byok8s.kube.transport import JSON, Call, Stream, Transport

PATIENCE_SECONDS = 60.0
# How long a run with jobs under way goes on without the API before it is given up: longer than a control plane takes
# to be upgraded, or somebody to log in again.
OUTAGE_SECONDS = 1800.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 10.0
LONGEST_RETRY_AFTER_SECONDS = 60.0
ONLY_METADATA = f"{JSON};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PAGE = 500
TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
# Of two that change an object at the same moment one is told to try again. A ResourceQuota is such an object: each
# creation in its namespace changes it, and with many at once some are refused many times; a long pause only gives
# others the turn.
CONFLICT_SECONDS, CONFLICT_PAUSE_SECONDS = 30.0, 1.0
# A server that says how long it wants to be left alone is there: it is waited for by those who would soon give up, too
OVERLOADED, ASKED_SECONDS = frozenset({429, 503}), 30.0
WORTH_A_WORD_SECONDS = 2.0
CREATES_OR_CHANGES = frozenset(
    {"POST", "PATCH"}
)  # and DELETE conflicts only with a condition that is not met


class KubeClient:
    """A thread-safe connection to one cluster. tell: called once when it is busy, until it has answered.

    patience, wherever it is asked for: seconds to go on trying while the server cannot be reached, is overloaded,
    or no longer takes credentials that it has taken before. A request that was cut off is sent again, so a POST
    may find that it has been heard (409, AlreadyExists). unless: set when there is nothing to be patient for any more.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.transport = Transport(context)
        self.tell: Callable[[str], None] = lambda _: None
        self._told = False

    def get(
        self, path: str, query: Mapping[str, str] | None = None, *, patience: float = PATIENCE_SECONDS
    ) -> Object:
        return self._json(Call("GET", path, query), patience)

    def get_text(self, path: str) -> str:
        return self._patiently(Call("GET", path), PATIENCE_SECONDS)[0].decode(errors="replace")

    def find(self, path: str, selector: str, *, only_metadata: bool = False) -> list[dict[str, Json]]:
        """All objects at `path` that carry `selector`'s labels.

        only_metadata: leave out what they hold, as the data of Secrets, which then does not travel at all.
        """
        return self.list(path, selector, accept=ONLY_METADATA if only_metadata else JSON)[0]

    def list(
        self, path: str, selector: str, *, accept: str = JSON, patience: float = PATIENCE_SECONDS
    ) -> tuple[list[dict[str, Json]], str]:
        """All objects at `path` that carry `selector`'s labels, and the resourceVersion to watch them from."""
        query = first = {"labelSelector": selector, "limit": str(PAGE)}
        found: list[dict[str, Json]] = []
        while True:
            try:
                page = self._json(Call("GET", path, query, accept=accept), patience)
            except ApiError as error:
                if error.code != GONE or query is first:
                    raise
                query, found = first, []  # the list has grown too old on the way
                continue
            found += items(page, "items")
            if not (more := text(page, "metadata", "continue")):
                return found, text(page, "metadata", "resourceVersion")
            query = {**first, "continue": more}

    def now(self) -> datetime:
        """The API server's clock, to the second: that by which it writes when an object was created."""
        headers = self._patiently(Call("GET", "/version"), PATIENCE_SECONDS)[1]
        try:
            return parsedate_to_datetime(headers["Date"])
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
        unless: threading.Event | None = None,
    ) -> Object:
        return self._json(Call("POST", path, query, body), patience, unless)

    def patch(self, path: str, body: Object, *, patience: float = PATIENCE_SECONDS) -> Object:
        """A JSON merge patch (RFC 7386)."""
        return self._json(Call("PATCH", path, body=body), patience)

    def delete(
        self, path: str, options: Object | None = None, query: Mapping[str, str] | None = None, *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:  # fmt: skip
        """options: a DeleteOptions object's fields. What is not there counts as deleted."""
        try:
            self._patiently(Call("DELETE", path, query, options or {}), patience)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise

    def stream(self, path: str, query: Mapping[str, str], silence: float) -> Stream:
        """The answer as it comes. silence: the longest pause, in seconds, before it counts as dead."""
        return self.transport.stream(Call("GET", path, query, read_seconds=silence))

    def _json(self, call: Call, patience: float, unless: threading.Event | None = None) -> Object:
        body, _ = self._patiently(call, patience, unless)
        try:
            answer: Json = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self.transport.unreachable("what answers in its place is no Kubernetes API")
        return answer

    def _patiently(
        self, call: Call, patience: float, unless: threading.Event | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """The body and the headers."""
        start, over = time.monotonic(), unless or threading.Event()
        for pause in pauses():
            try:
                response = self.transport.send(call)
                body = self.transport.read(response)
            except ClusterError as error:
                passed = time.monotonic() - start
                wait = pause_after(error, pause)
                if not self._may_pass(call, error) or passed + wait > _limit(error, patience):
                    raise after(error, passed) from error
                if isinstance(error, ApiError) and error.retry_after and passed + wait > WORTH_A_WORD_SECONDS:
                    self._say_busy(error)
                if over.wait(wait):
                    raise
            else:
                self._told = False
                return body, response.headers
        raise AssertionError("the pauses never end")

    def _say_busy(self, error: ApiError) -> None:
        if not self._told:
            self._told = True
            self.tell(
                f"The Kubernetes API is busy and asks to be asked again later ({error.code}); this is waited for."
            )

    def _may_pass(self, call: Call, error: ClusterError) -> bool:
        match error:
            case ApiError(code=409, reason=reason):
                return call.method in CREATES_OR_CHANGES and reason != ALREADY_EXISTS
            case ApiError(code=code) if code != UNAUTHORIZED:
                return code in TRY_AGAIN
            case ApiError() | NoCredentials():  # somebody may log in again
                return self.transport.accepted
            case _:
                return True


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


def _limit(error: ClusterError, patience: float) -> float:
    """Return how many seconds to go on trying after this error."""
    match error:
        case ApiError(code=409):
            return min(patience, CONFLICT_SECONDS)
        case ApiError(code=code, retry_after=asked) if code in OVERLOADED and asked and patience:
            return max(patience, ASKED_SECONDS)
    return patience


def pause_after(error: ClusterError, pause: float) -> float:
    """As long as the server has asked for, if it did, within reason; at least `pause`, but for a conflict."""
    if isinstance(error, ApiError) and error.code == CONFLICT:
        pause = min(pause, random.uniform(0.5, 1.0) * CONFLICT_PAUSE_SECONDS)  # noqa: S311 - guards nothing
    asked = error.retry_after if isinstance(error, ApiError) else 0.0
    return max(pause, min(asked, LONGEST_RETRY_AFTER_SECONDS))
