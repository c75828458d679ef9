"""Draws how a run is, again and again, and heeds keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from byok8s.history.choice import Choice
from byok8s.history.state import State
from byok8s.run.drawing import Drawing
from byok8s.run.keyboard import pressed
from byok8s.run.screen import Events, drawn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

EVERY_SECONDS: Final = 0.5
SHARE: Final = 25  # of a processor's time: so many times as long as a drawing takes there is none after it
LEAVE: Final = "q"
OVER: Final = ""  # among keys: there is no more to show


class Surface(Protocol):
    """A terminal in which a view is drawn while others write to it, too.

    lock: is held while one of the two writes, as each begins where the other has ended.
    """

    terminal: TextIO
    lock: AbstractContextManager[bool]

    def above(self, console: Console) -> AbstractContextManager[None]:
        """Have what others write come above what the console draws, for as long as the block lasts."""


class Keys:
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


class Viewer:
    """Draws how a run is, and heeds keys, in a thread of its own.

    drawing: is off when somebody has left the view, or it is not wanted.
    """

    def __init__(self, run: str, events: Events, surface: Surface, keys: Keys, drawing: Drawing) -> None:
        self._run, self._events, self._surface = run, events, surface
        self._keys, self._drawing = keys, drawing

    def live(self) -> None:
        is_over = False
        while not (is_over or self._events.state.tries):
            is_over = self._is_over_after(EVERY_SECONDS)
            self._events.look()
        if not (self._drawing.is_on and self._events.state.tries):
            return
        with suppress(OSError):  # the terminal is gone, and the run goes on
            with self._keys.read():
                self._draw()
            if self._keys.is_left:
                terminal = self._surface.terminal
                terminal.write(
                    "byok8s: The view is closed, the run goes on. `byok8s status` shows how it is.\n"
                )
                terminal.flush()

    def _is_over_after(self, seconds: float) -> bool:
        """Wait so long, or until a key changes what is to be shown. Return whether that is nothing any more."""
        self._keys.wait(seconds, self._events.state)
        if self._keys.is_left:
            self._drawing.leave()
        return self._keys.is_over or not self._drawing.is_on

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._surface.terminal)
        live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        with self._surface.above(console):
            live.start()
            try:
                self._redraw(live, console)
            finally:
                with self._surface.lock:
                    live.stop()

    def _redraw(self, live: Live, console: Console) -> None:
        pause = 0.0
        self._update(live, console, self._keys.choice)  # not timed: it loads what draws
        while not self._is_over_after(max(EVERY_SECONDS, pause)):
            start = time.thread_time()
            self._update(live, console, self._keys.choice)
            pause = SHARE * (time.thread_time() - start)
        self._update(live, console, None)

    def _update(self, live: Live, console: Console, choice: Choice | None) -> None:
        events = self._events
        events.look()
        found = drawn(self._run, events.state, console, said=events.said, log=events.log, choice=choice)
        with self._surface.lock:
            live.update(found, refresh=True)
