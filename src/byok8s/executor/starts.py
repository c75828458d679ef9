"""When Snakemake's loggers are told of a job: once it runs in its pod, and not when it is chosen.

Snakemake itself announces all jobs that it hands to an executor, and says that they have started; many of them then
wait for a worker. Programs that watch a run by a logger plugin count those as running, by the one event or the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from logging import Logger, LogRecord
from typing import Any, Final

from snakemake_interface_logger_plugins.common import LogEvent

CHOSEN: Final = "byok8s_chosen"  # an attribute of what says that jobs were chosen, which is no event any more
_OURS: Final = "byok8s_started"


class Starts:
    """Filters what Snakemake logs, until `end`. dag: Snakemake's, which knows the jobs that run on this machine."""

    def __init__(self, logger: Logger, dag: Any) -> None:
        self._logger, self._dag = logger, dag
        self._local: dict[object, bool] = {}  # by Snakemake's id of a job
        # by job: those that it consists of, and its pod
        self._pending: dict[str, tuple[Sequence[int], str]] = {}
        self._announcements: dict[
            int, list[LogRecord]
        ] = {}  # by Snakemake's id of a job; a group's jobs share one
        self._kept = threading.local()  # its `records`: what this thread logs meanwhile
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="starts")
        logger.addFilter(self._filter)

    def put_off(self, announce: Callable[[], None], members: Iterable[int]) -> None:
        """Keep what `announce` logs until one of these jobs begins, or `announce` is asked for."""
        records: list[LogRecord] = []
        self._kept.records = records
        try:
            announce()
        finally:
            del self._kept.records
        with self._lock:
            self._announcements.update(dict.fromkeys(members, records))

    def announce(self, members: Iterable[int]) -> None:
        """Announce jobs now that are not yet: they end, and may never have begun."""
        with self._lock:
            self._announce(members)

    def began(self, job: str, members: Sequence[int], pod: str) -> None:
        """Have it told that a job runs. Waits for nothing, as a terminal can keep its writers waiting.

        members: Snakemake's ids of the jobs of a group, else of the job itself.
        """
        self._pending[job] = (members, pod)
        with suppress(RuntimeError):  # the run has just ended
            self._thread.submit(self.tell, job)

    def tell(self, job: str) -> None:
        """Tell now that a job runs, if it has begun and that is not told yet: its end must not come first."""
        with self._lock:
            if found := self._pending.pop(job, None):
                members, pod = found
                self._announce(members)
                extra = {"event": LogEvent.JOB_STARTED, "jobs": list(members), _OURS: True}
                self._logger.info(f"Job {', '.join(map(str, members))} runs in pod {pod}.", extra=extra)

    def end(self) -> None:
        self._logger.removeFilter(self._filter)
        self._thread.shutdown(wait=False)

    def _announce(self, members: Iterable[int]) -> None:
        for member in members:
            records = self._announcements.pop(member, [])
            for record in records:
                record.created = time.time()
                record.msecs = record.created % 1 * 1000
                self._logger.handle(record)
            records.clear()

    def _filter(self, record: LogRecord) -> bool:
        """Keep what is put off, and let what is said of chosen jobs be an event for those of this machine alone."""
        kept: list[LogRecord] | None = getattr(self._kept, "records", None)
        if kept is not None:
            kept.append(record)
            return False
        if getattr(record, "event", None) == LogEvent.JOB_STARTED and not hasattr(record, _OURS):
            facts = vars(record)
            facts["jobs"] = [job for job in facts["jobs"] if self._is_local(job)]
            if not facts["jobs"]:
                del facts["event"]
                facts[CHOSEN] = True
        return True

    def _is_local(self, job: object) -> bool:
        if job not in self._local:  # also after a checkpoint, which adds jobs
            self._local = {each.jobid: bool(each.is_local) for each in self._dag.jobs}
        return self._local.setdefault(job, False)  # a group, which never is
