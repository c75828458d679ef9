"""Brings a run's record to a collector: while the run goes on, or all of it afterwards.

The record is what waits for a collector that is away, so nothing is kept in memory for it. A run never waits: what
could not be sent when it ends, `byok8s trace RUN --otlp URL` sends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from byok8s.errors import CollectorError
from byok8s.history.event import Event, parsed
from byok8s.otlp.address import shown
from byok8s.otlp.spans import Span, Spans

if TYPE_CHECKING:
    from byok8s.otlp.collector import Collector

EVERY_SECONDS: Final = 5.0
LAST_SECONDS: Final = 5.0  # for the last spans; a run's end waits for a collector that answers
MOST_SPANS: Final = 512  # in a request, as in OpenTelemetry's own batches
AT_ONCE_BYTES: Final = 1024 * 1024  # of a record


@contextmanager
def sent(url: str | None, run: str, events: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Have a run's spans sent, some seconds after what they tell of.

    url: None for nowhere. events: the file of its events; what an earlier controller has noted, it has sent. warn: is
    told once of a collector that does not take them.
    """
    if url is None:
        yield
        return
    sender = _Sender(url, run, events, warn)
    thread = threading.Thread(target=sender.live, name="otlp", daemon=True)
    thread.start()
    try:
        yield
    finally:
        sender.over.set()
        if not sender.is_away:
            thread.join(LAST_SECONDS)
            if thread.is_alive():
                sender.tell("it has not taken them all yet")


def send(url: str, run: str, events: Iterable[Event]) -> int:
    """Send a record whole. Returns the number of its spans. Raises CollectorError."""
    from byok8s.otlp.collector import Collector

    spans, to, count = Spans(run), Collector(url), 0
    for some in _batches(_all(spans, events)):
        if why := to.send(some, spans.resource):
            raise CollectorError(
                f"The collector at {shown(url)} does not take the record: {why}.",
                where=f"It has taken {count} spans of run {run}." if count else "",
            )
        count += len(some)
    return count


def _all(spans: Spans, events: Iterable[Event]) -> Iterator[Span]:
    for event in events:
        yield from spans.of(event)
    yield from spans.rest()


def _batches(spans: Iterator[Span]) -> Iterator[list[Span]]:
    while some := list(islice(spans, MOST_SPANS)):
        yield some


class _Sender:
    """over: is set when no event comes any more. is_away: whether the collector did not take what came last."""

    def __init__(self, url: str, run: str, events: Path, warn: Callable[[str], None]) -> None:
        self.over = threading.Event()
        self.is_away = False
        self._url, self._run, self._events, self._warn = url, run, events, warn
        self._spans = Spans(run)
        self._read = 0
        with suppress(OSError):
            for data in iter(self._more, b""):
                for event in parsed(data):
                    for _ in self._spans.of(event):
                        pass
        self._told = False

    def live(self) -> None:
        """Send what is noted. The first request has no spans: whether the collector takes any is known early."""
        from byok8s.otlp.collector import Collector

        to = Collector(self._url)
        self._send(to, [])
        while True:
            is_last = self.over.wait(EVERY_SECONDS)
            with suppress(OSError):  # a run that was refused leaves no record
                for data in iter(self._more, b""):
                    found = (span for event in parsed(data) for span in self._spans.of(event))
                    for some in _batches(found):
                        if self.is_away and self.over.is_set():
                            return  # nobody waits for this any more
                        self._send(to, some)
            if is_last:
                return

    def tell(self, why: str) -> None:
        """Say once that spans are not taken."""
        if self._told:
            return
        self._told = True
        self._warn(
            f"The OpenTelemetry collector at {shown(self._url)} does not take the record of the run: {why}. "
            "It is tried again until the run ends, which does not wait for it; "
            f"`byok8s trace {self._run} --otlp URL` sends all of it at any time."
        )

    def _send(self, to: Collector, spans: list[Span]) -> None:
        """Send spans, again and again until they are taken; what comes meanwhile waits in the record."""
        while why := to.send(spans, self._spans.resource):
            self.is_away = True
            self.tell(why)
            if not spans or self.over.wait(EVERY_SECONDS):
                return
        self.is_away = False

    def _more(self) -> bytes:
        """Return the next lines of the record."""
        with self._events.open("rb") as file:
            file.seek(self._read)
            data = file.read(AT_ONCE_BYTES)
        data = data[: data.rfind(b"\n") + 1]
        self._read += len(data)
        return data
