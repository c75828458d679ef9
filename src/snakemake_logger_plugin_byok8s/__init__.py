"""`snakemake --logger byok8s`: what Snakemake looks for in a logger plugin. It keeps a run's record, as byok8s does.

Snakemake imports this at every start, whichever logger is used: nothing heavy is imported here.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

if TYPE_CHECKING:
    from logging import LogRecord

    from byok8s.run.plain import PlainRun
    from byok8s.run.plain_view import PlainView

__all__ = ["LogHandler", "LogHandlerSettings"]


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):  # type: ignore[misc]
    """Flags `--logger-byok8s-…` of Snakemake's command line."""

    view: bool = field(
        default=False,
        metadata={
            "help": "Draw how the run is in the terminal, below what jobs and Snakemake write there: "
            "rules, running jobs and failures"
        },
    )


class LogHandler(LogHandlerBase):  # type: ignore[misc]
    """Hears what Snakemake says of its run, in a thread of its own, and says nothing itself."""

    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = True  # the record is whole, however quiet Snakemake is to be

    def __post_init__(self) -> None:
        self._run: Optional[PlainRun] = None
        self._start, self._process = Path.cwd(), os.getpid()
        self._over = bool(self.common_settings.dryrun)
        is_wanted = isinstance(self.settings, LogHandlerSettings) and self.settings.view
        self._view = _view() if is_wanted and not self._over else None

    def emit(self, record: "LogRecord") -> None:
        if self._over:
            return
        try:
            if self._run is None:
                from byok8s.run.plain import PlainRun

                self._run = PlainRun(self._start, _warn)
            self._run.hear(record)
            if self._view and (events := self._run.events):
                self._view.show(events)
        except Exception as error:  # noqa: BLE001 - what fails here must not end the thread of all loggers
            self._over = True
            _warn(f"The record of the run ends here: {type(error).__name__}: {error}")

    def close(self) -> None:
        """End record and view. Snakemake has told everything by now; if it breaks off, Python calls this at its end."""
        if os.getpid() != self._process:  # a fork, which ends on its own
            return
        if self._run and not self._over:
            self._run.end()
        self._over = True
        if self._view:
            self._view.end()
        super().close()


def _view() -> Optional["PlainView"]:
    from byok8s.run.drawing import can_draw

    if not can_draw():
        return None
    from byok8s.run.plain_view import PlainView, is_possible

    return PlainView(_warn) if is_possible() else None


def _warn(words: str) -> None:
    sys.stderr.write(f"byok8s: {words}\n")
