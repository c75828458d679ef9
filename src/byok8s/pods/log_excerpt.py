"""What a failed job has said itself: the end of its rule's own log if it has one, else of its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from byok8s.tail import last_lines, without_frame

SHOWN_LINES: Final = 15
LONGEST_LINE: Final = 500
OUTPUT: Final = "its output"


@dataclass(frozen=True)
class LogExcerpt:
    """Lines of a log. of: its path, or OUTPUT."""

    of: str
    lines: Sequence[str]

    def words(self) -> list[str]:
        """Return the last lines, below a line that says what they are of."""
        return [f"Last lines of {self.of}:", *(f"    {line}" for line in self.lines[-SHOWN_LINES:])]


def excerpt(logs: Mapping[str, Path], output: Path) -> LogExcerpt | None:
    """Return the end of the last log that says something; None if neither a log nor the output does.

    logs: files by the paths that the rule has for them.
    """
    for name, path in [*reversed(list(logs.items())), (OUTPUT, output)]:
        with suppress(OSError):  # not written
            lines = [line.rstrip()[:LONGEST_LINE] for line in without_frame(last_lines(path))]
            if any(lines):
                return LogExcerpt(name, lines)
    return None
