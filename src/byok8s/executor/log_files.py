"""The log files that Snakemake's loggers are told of: files of this machine, which programs that watch a run can open.

Snakemake itself names the rule's own in the bucket, with a remark in the name: such a file is nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from logging import Logger, LogRecord
from pathlib import Path
from typing import Any

from byok8s.workspace import users_folder


class LogFiles:
    """Filters what Snakemake logs, until `close`: whatever names the logs of a job names those that were given."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._files: dict[int, Sequence[str]] = {}  # by Snakemake's id of a job
        logger.addFilter(self._filter)

    def give(self, job: int, files: Iterable[Path]) -> None:
        """Give the logs of a job, in place of those that were given before. files: below the user's folder."""
        self._files[job] = [str(users_folder().absolute() / file) for file in files]

    def forget(self, jobs: Iterable[int]) -> None:
        """Forget the logs of jobs of which nothing more is told."""
        for job in jobs:
            self._files.pop(job, None)

    def close(self) -> None:
        self._logger.removeFilter(self._filter)

    def _filter(self, record: LogRecord) -> bool:
        facts = vars(record)
        for told in (facts, *facts.get("job_error_info", ())):  # of a group, which tells of each of its jobs
            self._name(told)
        return True

    def _name(self, told: dict[str, Any]) -> None:
        if "log" in told and (files := self._files.get(told.get("jobid", -1))) is not None:
            told["log"] = list(files)
