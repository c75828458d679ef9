"""The view of a run of plain Snakemake, whose jobs write to the same terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from logging import LogRecord
from pathlib import Path
from typing import Final

from snakemake.logging import ColorizingTextHandler, logger

from byok8s.run import announcements
from byok8s.run.diverted import Diverted
from byok8s.run.drawing import Drawing
from byok8s.run.screen import Events
from byok8s.run.viewer import OVER, Keys, Viewer

FIRST: Final = ("job_info", "group_info")  # said of a job just before it starts, by the thread that starts it


class PlainView:
    """A view that is drawn from the first job on. Until it is left Snakemake says what it says in a run of byok8s.

    Nothing is done to the terminal before a job is about to start.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        """warn: is told why nothing can be drawn."""
        self._warn = warn
        self._drawing, self._keys = Drawing(is_on=True), Keys()
        self._diverted: Diverted | None = None
        self._viewer: threading.Thread | None = None
        self._stack = ExitStack()
        self._stack.enter_context(announcements.hidden(self._drawing, in_full=True))
        logger.addFilter(self._before)  # a handler would be called later, by another thread
        self._stack.callback(logger.removeFilter, self._before)

    def show(self, events: Path) -> None:
        """Show what is in a file of events. Once is enough."""
        if self._diverted and not self._viewer:
            viewer = Viewer(events.parent.name, Events(events), self._diverted, self._keys, self._drawing)
            self._viewer = threading.Thread(target=viewer.live, name="view", daemon=True)
            self._viewer.start()

    def end(self) -> None:
        """Give the terminal back, as it was, below what is shown last. If that is interrupted, call it again."""
        if self._diverted:
            self._diverted.end()
        self._keys.tell(OVER)
        if self._viewer and self._viewer is not threading.current_thread():
            self._viewer.join()
        self._drawing.leave()
        self._stack.close()

    def _before(self, said: LogRecord) -> bool:
        if self._diverted is None and self._drawing.is_on and str(getattr(said, "event", None)) in FIRST:
            self._begin()
        return True

    def _begin(self) -> None:
        if not any(isinstance(handler, ColorizingTextHandler) for handler in logger.handlers):
            self._drawing.give_way()  # another plugin writes to the terminal
            return
        try:
            self._diverted = Diverted()
            self._diverted.begin()
        except OSError as error:
            self._diverted = None
            self._drawing.leave()
            self._warn(f"The run is not shown: this machine gives no terminal for its jobs: {error}.")


def is_possible() -> bool:
    """Return whether standard error is what jobs take for it, too."""
    try:
        return sys.stderr.fileno() == 2
    except (OSError, ValueError):
        return False
