"""One list, then one watch, for as long as a run lasts.

No Python client's watch survives 410 Gone, a reset in mid-event and an API server that is away, all three;
this one does: it resumes at the last resourceVersion it saw, lists anew where that has expired, and pauses
ever longer while the server cannot be reached.
(https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes)
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from byok8s.kube.client import GONE, PAGE, ApiError, KubeClient, Stream, Unreachable, pauses
from byok8s.kube.json import Object, items, text

SERVER_ENDS_AFTER = 240  # seconds; the server then closes the watch and we open the next
SILENCE_SECONDS = 300.0  # more than that: no word for so long means that the connection is dead


class Watch:
    """Tells of every change to the objects at `path` that carry `selector`'s labels.

    on_change(object): it was there at the start, was added or was modified.
    on_delete(name): it is gone.
    on_lost(words): the server does not answer; called once an outage. on_found(): it answers again.
    on_crash(error): the watch has ended by a fault of ours, and will tell nothing more.
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
    ) -> None:
        self._client, self._path, self._selector = client, path, selector
        self._on_change, self._on_delete = on_change, on_delete
        self._on_lost, self._on_found, self._on_crash = on_lost, on_found, on_crash
        self._names: set[str] = set()
        self._version = ""  # empty: list before watching
        self._ending = threading.Event()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """Returns when the first list is in, so that nothing created from now on can be missed.

        Raises Unreachable or ApiError where that list cannot be had.
        """
        self._list()
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
        failures, waits = 0, pauses()
        while not self._ending.is_set():
            try:
                if not self._version:
                    self._list()
                stream = self._open()
                if failures > 1:
                    self._on_found()
                failures, waits = 0, pauses()
                self._follow(stream)
            except (Unreachable, ApiError) as error:
                if self._ending.is_set():
                    return
                if isinstance(error, ApiError) and error.code == GONE:
                    self._version = ""
                failures += 1
                if failures == 2:
                    self._on_lost(error.where or error.what)
                self._ending.wait(next(waits))

    def _list(self) -> None:
        query = {"labelSelector": self._selector, "limit": str(PAGE)}
        listed: list[Object] = []
        while True:
            page = self._client.get(self._path, query)
            listed += items(page, "items")
            query["continue"] = text(page, "metadata", "continue")
            if not query["continue"]:
                break
        names = {text(item, "metadata", "name") for item in listed}
        for name in self._names - names:
            self._on_delete(name)
        self._names = names
        for item in listed:
            self._on_change(item)
        self._version = text(page, "metadata", "resourceVersion")

    def _open(self) -> Stream:
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
                self._handle(json.loads(line))

    def _handle(self, event: Object) -> None:
        obj, kind = event["object"], event["type"]
        assert isinstance(obj, dict)
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
