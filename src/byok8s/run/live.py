"""How a run is, drawn again and again in a terminal while other things are said above it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from byok8s.history import board
from byok8s.history.choice import Choice
from byok8s.history.event import parsed
from byok8s.history.state import State, Try, fold
from byok8s.run.drawing import Drawing
from byok8s.run.keyboard import pressed
from byok8s.shown import visible
from byok8s.tail import last_lines, without_frame
from byok8s.workspace import walk

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from byok8s.runs import Run

EVERY_SECONDS: Final = 0.5
WATCH_SECONDS: Final = 2.0  # it may be the bucket that is asked
SHARE: Final = 25  # of a processor's time: so many times as long as a drawing takes there is none after it
LAST_BYTES: Final = 2048  # of a log, for its last line
LINE_BYTES: Final = 200  # of a log, as far as it is read for its last lines
LEAVE: Final = "q"
OVER: Final = ""  # among keys: there is no more to show
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

    def log(self, job: Try, most: int) -> list[str]:
        """Return the last lines of a rule's own log if it says something, else of what the job has written."""
        logs = self._path.parent / "logs"
        own = sorted((file for file, _ in walk.files(logs / job.name)), reverse=True)
        for file in [*own, logs / f"{job.name}.log"]:
            with suppress(OSError):
                lines = without_frame(last_lines(file, most * LINE_BYTES))
                if any(line.strip() for line in lines):
                    return lines[-most:]
        return []

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
    log: Callable[[Try, int], Sequence[str]] = lambda *_: (),
    choice: Choice | None = None,
) -> Text:
    """Return how a run is, as one screen of the console. The rest is as for `board.rows`."""
    from rich.text import Text

    width, height = console.size
    now = time.time_ns() // 1_000_000
    found = board.rows(
        run,
        state,
        now,
        alive=alive,
        width=width,
        height=height - 1,
        said=said,
        choice=choice,
        log=log,
    )
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
def shown(run: str, path: Path) -> Iterator[Drawing]:
    """Show how a run is below all else that is written to standard error, from its first job on.

    Yields whether it is shown, which ends when somebody presses q. path: the run's events. What is last shown stays.
    """
    switch, keys, drawing = _Switch(sys.stderr), _Keys(), Drawing(is_on=True)
    viewer = _Viewer(run, Events(path), switch, keys, drawing)
    thread = threading.Thread(target=viewer.live, name="view", daemon=True)
    sys.stderr = switch
    thread.start()
    try:
        yield drawing
    finally:
        keys.tell(OVER)
        thread.join()
        sys.stderr = switch.stream


class _Keys:
    """What keys choose to be shown of a run. Any thread may tell of a key, or that it is OVER.

    choice: what is chosen, None if no keys are read. is_left: whether somebody has left the view. is_over: the same, or
    that there is no more to show.
    """

    def __init__(self) -> None:
        self._inbox = SimpleQueue[str]()
        self.choice: Choice | None = None
        self.is_left = self.is_over = False

    @contextmanager
    def read(self) -> Iterator[None]:
        """Read keys for as long as the block lasts, if they can be."""
        with pressed(self.tell) as are_read:
            self.choice = Choice() if are_read else None
            yield
        self.choice = None

    def tell(self, key: str) -> None:
        self._inbox.put(key)

    def wait(self, seconds: float, state: State) -> bool:
        """Wait so long, or until a key changes what is to be shown of a run. Return whether one has."""
        until = time.monotonic() + seconds
        while not self.is_over and (rest := until - time.monotonic()) > 0:
            try:
                key = self._inbox.get(timeout=rest)
            except Empty:
                return False
            if key == LEAVE and not (self.choice and self.choice.typing):
                self.is_left = self.is_over = True
            elif key == OVER:
                self.is_over = True
            elif self.choice and (after := self.choice.after(key, state)) != self.choice:
                self.choice = after
                return True
        return False


class _Viewer:
    """Draws how a run is, and heeds keys, in a thread of its own.

    drawing: is off when somebody has left the view, or it is not wanted.
    """

    def __init__(self, run: str, events: Events, switch: _Switch, keys: _Keys, drawing: Drawing) -> None:
        self._run, self._events, self._switch = run, events, switch
        self._keys, self._drawing = keys, drawing

    def live(self) -> None:
        while not self._events.state.tries:
            if self._is_over_after(EVERY_SECONDS):
                return
            self._events.look()
        with suppress(OSError):  # the terminal is gone, and the run goes on
            with self._keys.read():
                self._draw()
            if self._keys.is_left:
                self._switch.stream.write(
                    "byok8s: The view is closed, the run goes on. `byok8s status` shows how it is.\n"
                )
                self._switch.stream.flush()

    def _is_over_after(self, seconds: float) -> bool:
        """Wait so long, or until a key changes what is to be shown. Return whether that is nothing any more."""
        self._keys.wait(seconds, self._events.state)
        if self._keys.is_left:
            self._drawing.leave()
        return self._keys.is_over or not self._drawing.is_on

    def _draw(self) -> None:
        from rich.console import Console
        from rich.file_proxy import FileProxy
        from rich.live import Live

        console = Console(file=self._switch.stream)
        with Live(console=console, auto_refresh=False, redirect_stderr=False) as live:
            proxy = self._switch.to = FileProxy(console, self._switch.stream)
            try:
                pause = 0.0
                self._update(live, console, self._keys.choice)  # not timed: it loads what draws
                while not self._is_over_after(max(EVERY_SECONDS, pause)):
                    start = time.thread_time()
                    self._update(live, console, self._keys.choice)
                    pause = SHARE * (time.thread_time() - start)
                self._update(live, console, None)
            finally:
                proxy.flush()
                self._switch.to = self._switch.stream

    def _update(self, live: Live, console: Console, choice: Choice | None) -> None:
        events = self._events
        events.look()
        found = drawn(self._run, events.state, console, said=events.said, log=events.log, choice=choice)
        live.update(found, refresh=True)


def watch(look: Callable[[], Run]) -> None:
    """Draw how a run is, in this terminal, until it is over, nobody is at work on it, or somebody leaves the view.

    look: reads how it is now.
    """
    from rich.console import Console
    from rich.live import Live

    console, keys = Console(), _Keys()

    def draw(found: Run, choice: Choice | None) -> None:
        screen = drawn(found.id, found.state, console, alive=found.alive, log=found.log, choice=choice)
        live.update(screen, refresh=True)

    with keys.read(), Live(console=console, auto_refresh=False) as live:
        while not keys.is_over:
            start = time.monotonic()
            found = look()
            if found.state.over or not found.alive:
                break
            draw(found, keys.choice)
            until = time.monotonic() + max(WATCH_SECONDS, SHARE * (time.monotonic() - start))
            while keys.wait(until - time.monotonic(), found.state):
                draw(found, keys.choice)
        draw(found, None)
