"""How a run is, drawn again and again in a terminal while other things are said above it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from byok8s.history.choice import Choice
from byok8s.run.drawing import Drawing
from byok8s.run.screen import Events, drawn
from byok8s.run.viewer import OVER, SHARE, Keys, Viewer

if TYPE_CHECKING:
    from rich.console import Console

    from byok8s.runs import Run

WATCH_SECONDS: Final = 2.0  # it may be the bucket that is asked


class _Writes(Protocol):
    def write(self, text: str, /) -> int: ...


class _Switch:
    """A standard error that leads elsewhere for a while, also for whoever has got hold of it before."""

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream
        self.lock: AbstractContextManager[bool] = threading.RLock()
        self._to: _Writes = stream

    def write(self, text: str) -> int:
        with self.lock:
            return self._to.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._to, name)

    @contextmanager
    def above(self, console: Console) -> Iterator[None]:
        from rich.file_proxy import FileProxy

        proxy, output = FileProxy(console, self.terminal), sys.stdout
        self._to = proxy
        if output.isatty():
            sys.stdout = proxy
        try:
            yield
        finally:
            proxy.flush()
            self._to, sys.stdout = self.terminal, output


@contextmanager
def shown(run: str, path: Path) -> Iterator[Drawing]:
    """Show how a run is below all else that is written to standard error, from its first job on.

    Yields whether it is shown, which ends when somebody presses q. path: the run's events. What is last shown stays.
    """
    switch, keys, drawing = _Switch(sys.stderr), Keys(), Drawing(is_on=True)
    viewer = Viewer(run, Events(path), switch, keys, drawing)
    thread = threading.Thread(target=viewer.live, name="view", daemon=True)
    sys.stderr = switch
    thread.start()
    try:
        yield drawing
    finally:
        keys.tell(OVER)
        thread.join()
        sys.stderr = switch.terminal


def watch(look: Callable[[], Run]) -> None:
    """Draw how a run is, in this terminal, until it is over, nobody is at work on it, or somebody leaves the view.

    look: reads how it is now.
    """
    from rich.console import Console
    from rich.live import Live

    console, keys = Console(), Keys()

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
