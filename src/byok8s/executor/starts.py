"""When Snakemake's loggers are told that a job has started: once it runs in its pod, and not when it is chosen.

Snakemake itself says so of all jobs that it hands to an executor, many of which then wait for a worker. Programs that
watch a run by a logger plugin would count those as running.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="starts")
        logger.addFilter(self._filter)

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
                extra = {"event": LogEvent.JOB_STARTED, "jobs": list(members), _OURS: True}
                self._logger.info(f"Job {', '.join(map(str, members))} runs in pod {pod}.", extra=extra)

    def end(self) -> None:
        self._logger.removeFilter(self._filter)
        self._thread.shutdown(wait=False)

    def _filter(self, record: LogRecord) -> bool:
        """Let what Snakemake says of chosen jobs be an event for those alone that run on this machine."""
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
