"""One list, then one watch, for as long as a run lasts.

No Python client's watch survives 410 Gone, a reset in mid-event and an API server that is away, all three;
this one does: it resumes at the last resourceVersion it saw, lists again where that has expired, and pauses
ever longer while the server cannot be reached.
(https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes)
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from byok8s.errors import ClusterError
from byok8s.kube.client import (
    LONGEST_PAUSE_SECONDS,
    OUTAGE_SECONDS,
    PATIENCE_SECONDS,
    KubeClient,
    pause_after,
    pauses,
)
from byok8s.kube.errors import GONE, ApiError, NoCredentials, Unreachable, duration, short
from byok8s.kube.objects import Json, Object, get_in, text
from byok8s.kube.transport import Stream

SERVER_ENDS_AFTER = 240  # seconds; the server then closes the watch and we open the next
# The server sends a bookmark about every minute. One that sends none loses nothing by being asked again.
SILENCE_SECONDS = 150.0
KINDS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"})


class Watch:
    """Tells of every change to the objects at `path` that carry `selector`'s labels.

    on_change(object): it was there at the start, was added or was modified.
    on_delete(name): it is gone.
    on_lost(cause): the server does not answer, or does not let us watch; called once an outage, for the first of
    its causes. It is waited for until `outage_seconds` have passed, in which the machine was awake.
    on_found(): it answers again.
    on_crash(error): the watch has ended, and will tell nothing more: the outage was too long, or the fault is ours.
    All are called from the watch's own thread, one after another, and should be quick.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        selector: str,
        *,
        on_change: Callable[[Object], None],
        on_delete: Callable[[str], None],
        on_lost: Callable[[str], None],
        on_found: Callable[[], None],
        on_crash: Callable[[Exception], None],
        outage_seconds: float = OUTAGE_SECONDS,
    ) -> None:
        self._client, self._path, self._selector = client, path, selector
        self._on_change, self._on_delete = on_change, on_delete
        self._on_lost, self._on_found, self._on_crash = on_lost, on_found, on_crash
        self._outage_seconds = outage_seconds
        self._failures, self._failing_since = 0, 0.0  # one after another
        self._names: set[str] = set()
        self._version = ""  # empty: list before watching
        self._ending = threading.Event()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """Returns when the first list is in, so that nothing created from now on can be missed.

        Raises Unreachable, ApiError or NoCredentials if that list cannot be had.
        """
        self._list(PATIENCE_SECONDS)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._stream:
            self._stream.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            self._keep_watching()
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody must hear of it
            self._on_crash(error)

    def _keep_watching(self) -> None:
        waits = pauses()
        while not self._ending.is_set():
            wait, opened = next(waits), math.inf
            try:
                stream = self._open()
                self._succeeded()
                opened = time.monotonic()
                self._follow(stream)
            except (Unreachable, ApiError, NoCredentials) as error:
                if self._ending.is_set():
                    return
                self._failed(error)
                wait = pause_after(error, wait)
            if time.monotonic() - opened > LONGEST_PAUSE_SECONDS:
                waits = pauses()  # while one that ends as soon as it is opened is not opened again at once
            self._ending.wait(wait)

    def _succeeded(self) -> None:
        if self._failures > 1:
            self._on_found()
        self._failures = 0

    def _failed(self, error: ClusterError) -> None:
        """One failure is nothing: watches end that way."""
        if isinstance(error, ApiError) and error.code == GONE:
            self._version = ""
        self._failures += 1
        if self._failures == 1:
            self._failing_since = time.monotonic()
        elif self._failures == 2:
            self._on_lost(short(error))
        if time.monotonic() - self._failing_since > self._outage_seconds:
            raise ClusterError(
                f"The Kubernetes API did not come back within {duration(self._outage_seconds)}.",
                where=f"Last heard of it: {short(error)}.",
                hint="Once it is back, start the run again: it makes what is missing.",
            ) from error

    def _list(self, patience: float) -> None:
        listed, version = self._client.list(self._path, self._selector, patience=patience)
        names = {text(item, "metadata", "name") for item in listed}
        for name in self._names - names:
            self._on_delete(name)
        self._names = names
        for item in listed:
            self._on_change(item)
        self._version = version

    def _open(self) -> Stream:
        if not self._version:
            self._list(patience=0)
        query = {
            "labelSelector": self._selector,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(SERVER_ENDS_AFTER),
        }
        self._stream = self._client.stream(self._path, query, SILENCE_SECONDS)
        if self._ending.is_set():  # `stop` came too early to find this stream
            self._stream.close()
        return self._stream

    def _follow(self, stream: Stream) -> None:
        for line in stream.lines():
            if line:
                self._handle(*self._event(line))

    def _event(self, line: bytes) -> tuple[str, Object]:
        """Return the kind and the object of an event. Raises Unreachable for what is none: the stream is broken."""
        with suppress(ValueError):
            event: Json = json.loads(line)
            kind, obj = text(event, "type"), get_in(event, "object")
            if kind in KINDS and isinstance(obj, dict):
                return kind, obj
        self._version = ""  # what was in its place is not known
        raise Unreachable(
            "What the Kubernetes API streams cannot be read.", cause="its stream holds what is no event"
        )

    def _handle(self, kind: str, obj: Object) -> None:
        if kind == "ERROR":
            code = obj.get("code")
            raise ApiError(
                f"watch {self._path}",
                code if isinstance(code, int) else 500,
                text(obj, "reason"),
                text(obj, "message"),
            )
        self._version = text(obj, "metadata", "resourceVersion")
        if kind == "BOOKMARK":
            return
        name = text(obj, "metadata", "name")
        if kind == "DELETED":
            self._names.discard(name)
            self._on_delete(name)
        else:
            self._names.add(name)
            self._on_change(obj)
