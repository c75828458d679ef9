"""What the terminal, or whatever standard error is, is told of jobs that begin and end.

That is a view that is drawn there, a line for each job's end, or what Snakemake announces. Its log file has what it
announces in any case, and warnings and errors are said in any case.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from byok8s.executor.starts import CHOSEN
from byok8s.history.ends import Ends
from byok8s.history.event import Event
from byok8s.history.writer import History
from byok8s.run.drawing import Drawing
from snakemake_storage_plugin_byok8s.compat import check as check_names

if TYPE_CHECKING:
    from logging import LogRecord

USED_OF_LOGGING = {"snakemake.logging:ColorizingTextHandler.filter": "self record"}
# of single jobs: with their inputs, outputs and reasons, which fill screens
OF_JOBS = frozenset(("job_info", "group_info", "job_started", "job_finished", "shellcmd", "progress"))
# what a view of the run shows better, also
OF_THE_RUN = frozenset(("resources_info", "run_info"))
CHOOSING = "Select jobs to execute..."  # which is no event


@contextmanager
def announced(events: History, drawing: Drawing, *, in_full: bool) -> Iterator[None]:
    """Have a line said for each job's end instead of what Snakemake announces, and neither while a view is drawn.

    events, drawing: of the run. in_full: whether the user has asked for more than
    Snakemake announces by itself, and so gets all of that instead of lines.
    """
    with hidden(drawing, in_full=in_full), nullcontext() if in_full else events.heard(_teller(drawing)):
        yield


@contextmanager
def hidden(drawing: Drawing, *, in_full: bool) -> Iterator[None]:
    """Have Snakemake announce less: while a view is drawn, and, unless in full, in any case."""
    from snakemake import logging

    check_names(USED_OF_LOGGING)
    handler = logging.ColorizingTextHandler
    original = handler.filter

    def filtered(self: object, record: LogRecord) -> bool | LogRecord:
        event = str(getattr(record, "event", None))
        drawn = drawing.is_on
        of_jobs = event in OF_JOBS or record.msg == CHOOSING or hasattr(record, CHOSEN)
        is_hidden = (of_jobs and (drawn or not in_full)) or (drawn and event in OF_THE_RUN)
        return not is_hidden and original(self, record)

    handler.filter = filtered
    try:
        yield
    finally:
        handler.filter = original


def _teller(drawing: Drawing) -> Callable[[Event], None]:
    """Return what says a line for an event, as a part of Snakemake's progress, about which it can be quiet."""
    from snakemake.logging import logger
    from snakemake.settings.enums import Quietness

    ends, lock = Ends(), threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            line = ends.line(event)
        if (
            line and drawing.has_lines and not drawing.is_on
        ):  # without the lock: a terminal can keep its writers waiting
            logger.info(f"[{time.strftime('%H:%M:%S')}] {line}", extra={"quietness": Quietness.PROGRESS})

    return tell
