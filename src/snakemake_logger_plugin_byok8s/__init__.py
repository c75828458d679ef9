"""`snakemake --logger byok8s`: what Snakemake looks for in a logger plugin. It keeps a run's record, as byok8s does.

Snakemake imports this at every start, whichever logger is used: nothing heavy is imported here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_logger_plugins.base import LogHandlerBase

if TYPE_CHECKING:
    from logging import LogRecord

    from byok8s.run.plain import PlainRun

__all__ = ["LogHandler"]


class LogHandler(LogHandlerBase):  # type: ignore[misc]
    """Hears what Snakemake says of its run, in a thread of its own, and says nothing itself."""

    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = True  # the record is whole, however quiet Snakemake is to be

    def __post_init__(self) -> None:
        self._run: PlainRun | None = None
        self._start = Path.cwd()
        self._over = bool(self.common_settings.dryrun)

    def emit(self, record: LogRecord) -> None:
        if self._over:
            return
        try:
            if self._run is None:
                from byok8s.run.plain import PlainRun

                self._run = PlainRun(self._start, _warn)
            self._run.hear(record)
        except Exception as error:  # noqa: BLE001 - what fails here must not end the thread of all loggers
            self._over = True
            _warn(f"The record of the run ends here: {type(error).__name__}: {error}")

    def close(self) -> None:
        """End the record. Snakemake has told everything by now."""
        if self._run and not self._over:
            self._run.end()
        self._over = True
        super().close()


def _warn(words: str) -> None:
    sys.stderr.write(f"byok8s: {words}\n")
