"""How a run is, read from its events and drawn as one screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from byok8s.history import board
from byok8s.history.choice import Choice
from byok8s.history.state import State, Try, fold_lines
from byok8s.shown import visible
from byok8s.tail import last_lines, without_frame
from byok8s.workspace import walk

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LAST_BYTES: Final = 2048  # of a log, for its last line
LINE_BYTES: Final = 200  # of a log, as far as it is read for its last lines
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
        taken = fold_lines(self.state, data)
        self._read += taken
        return taken > 0


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
