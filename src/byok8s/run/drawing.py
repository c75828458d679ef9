"""Whether a run is shown in the terminal by its view, by lines, or by a logger plugin that the user has asked for."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass


def can_draw() -> bool:
    """Return whether standard error is a terminal that can draw."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@dataclass
class Drawing:
    """What is to be shown of a run. is_on: the view. has_lines: a line for each job's end while there is no view.

    Any thread may ask and change it.
    """

    is_on: bool
    has_lines: bool = True

    def leave(self) -> None:
        """End the view, as somebody has asked for."""
        self.is_on = False

    def give_way(self) -> None:
        """Show nothing, as a logger plugin of Snakemake's writes to the terminal."""
        self.is_on = self.has_lines = False
