"""How a run is, drawn again and again in a terminal while other things are said above it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from byok8s.history import board
from byok8s.history.event import parsed
from byok8s.history.state import State, Try, fold
from byok8s.run.keyboard import pressed
from byok8s.shown import visible
from byok8s.tail import last_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from byok8s.runs import Run

EVERY_SECONDS: Final = 0.5
WATCH_SECONDS: Final = 2.0  # it may be the bucket that is asked
SHARE: Final = 25  # of a processor's time: so many times as long as a drawing takes there is none after it
LAST_BYTES: Final = 2048  # of a log, for its last line
LEAVE: Final = "q"
STYLES: Final = {"head": "bold", "title": "dim", "good": "green", "bad": "red"}


class Events:
    """The events in a file of this machine, folded as they come."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0
        self.state = State()

    def said(self, job: Try) -> str:
        """Return the last line that a job has written so far; nothing if it has written none."""
        with suppress(OSError):
            written = last_lines(self._path.parent / "logs" / f"{job.name}.log", LAST_BYTES)
            return next((line.strip() for line in reversed(written) if line.strip()), "")
        return ""

    def look(self) -> bool:
        """Take in what has come since. Return whether anything has."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except OSError:
            return False
        data = data[: data.rfind(b"\n") + 1]
        self._read += len(data)
        for event in parsed(data):
            fold(self.state, event)
        return bool(data)


def drawn(
    run: str,
    state: State,
    console: Console,
    *,
    alive: bool = True,
    said: Callable[[Try], str] = lambda _: "",
) -> Text:
    """Return how a run is, as one screen of the console. said: returns the last line of a running job."""
    from rich.text import Text

    width, height = console.size
    now = time.time_ns() // 1_000_000
    found = board.rows(run, state, now, alive=alive, width=width, height=height - 1, said=said)
    text = Text(no_wrap=True, overflow="crop")
    for number, row in enumerate(found):
        text.append("\n" if number else "")
        text.append(visible(row.text), STYLES.get(row.style, ""))
    return text


class _Writes(Protocol):
    def write(self, text: str, /) -> int: ...


class _Switch:
    """A standard error that leads elsewhere for a while, also for whoever has got hold of it before."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.to: _Writes = stream

    def write(self, text: str) -> int:
        return self.to.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.to, name)


@contextmanager
def shown(run: str, path: Path) -> Iterator[Callable[[], bool]]:
    """Show how a run is below all else that is written to standard error, from its first job on.

    Yields what tells whether it is shown, which ends when somebody presses q. path: the run's events. What is last
    shown stays.
    """
    switch, over, left = _Switch(sys.stderr), threading.Event(), threading.Event()
    thread = threading.Thread(
        target=_live, args=(run, Events(path), switch, over, left), name="view", daemon=True
    )
    sys.stderr = switch
    thread.start()
    try:
        yield lambda: not left.is_set()
    finally:
        over.set()
        thread.join()
        sys.stderr = switch.stream


def _live(run: str, events: Events, switch: _Switch, over: threading.Event, left: threading.Event) -> None:
    """over: is set when the run is over. left: is set, and over with it, when somebody leaves the view."""
    while not events.state.tries:
        if over.wait(EVERY_SECONDS):
            return
        events.look()

    def on_key(key: str) -> None:
        if key == LEAVE:
            left.set()
            over.set()

    with suppress(OSError):  # the terminal is gone, and the run goes on
        with pressed(on_key):
            _draw(run, events, switch, over.wait)
        if left.is_set():
            switch.stream.write(
                "byok8s: The view is closed, the run goes on. `byok8s status` shows how it is.\n"
            )
            switch.stream.flush()


def _draw(run: str, events: Events, switch: _Switch, wait: Callable[[float], bool]) -> None:
    from rich.console import Console
    from rich.file_proxy import FileProxy
    from rich.live import Live

    console = Console(file=switch.stream)
    with Live(console=console, auto_refresh=False, redirect_stderr=False) as live:
        proxy = switch.to = FileProxy(console, switch.stream)
        try:
            pause = 0.0
            while not wait(max(EVERY_SECONDS, pause)):
                start = time.thread_time()
                events.look()
                live.update(drawn(run, events.state, console, said=events.said), refresh=True)
                pause = SHARE * (time.thread_time() - start)
            events.look()
            live.update(drawn(run, events.state, console, said=events.said), refresh=True)
        finally:
            proxy.flush()
            switch.to = switch.stream


def watch(look: Callable[[], Run]) -> None:
    """Draw how a run is, in this terminal, until it is over or nobody is at work on it. look: reads how it is now."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            start = time.monotonic()
            found = look()
            live.update(drawn(found.id, found.state, console, alive=found.alive), refresh=True)
            if found.state.over or not found.alive:
                return
            time.sleep(max(WATCH_SECONDS, SHARE * (time.monotonic() - start)))
