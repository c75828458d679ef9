"""The record of a run of plain Snakemake, by what it tells its loggers.

That is less than byok8s knows of its own runs: a job counts as begun when it is chosen, and what it used, what its exit
code was and which jobs it comes after is not told.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from logging import LogRecord
from pathlib import Path
from typing import Any, Final

from byok8s import __version__, files
from byok8s.executor.local_jobs import keep_logs
from byok8s.fleet import record
from byok8s.fleet.record import Record
from byok8s.history import event, writer
from byok8s.jobs import tasks
from byok8s.pods.manifest import Shape, Task
from byok8s.pods.names import new_run_id
from byok8s.pods.outcome import Outcome, State
from byok8s.run import asked
from byok8s.run_record import AT_WORK
from byok8s.workspace import users_folder

TOTAL: Final = "total"  # a row of Snakemake's table of jobs that is no rule
INTERRUPTED: Final = "Terminating processes on user request, this might take some time."  # which is no event
FAILED: Final = Outcome(State.FAILED, "its error is what Snakemake says of it")


class PlainRun:
    """A run, from its first job on: one with nothing to do leaves no record. What happened is noted with its own time.

    If byok8s itself keeps a record in this process, as `--executor byok8s` does, there is none by this.
    """

    def __init__(self, start: Path, warn: Callable[[str], None]) -> None:
        """start: the folder in which Snakemake was started. warn: is told of trouble with the disk."""
        self._run, self._start, self._warn = new_run_id(), start, warn
        self._now = 0
        self._record: Record | None = None
        self._planned: Mapping[str, int] = {}
        self._under_way: dict[int, Task] = {}  # by Snakemake's number of the job
        self._failed: dict[str, Task] = {}  # by job: those whose last try has failed
        self._tries: dict[str, int] = {}  # by job
        self._is_interrupted = self._is_done = False
        self._other: Path | None = None

    @property
    def events(self) -> Path | None:
        """Where the events of the run are, by whomever they are kept; None before the first job."""
        return self._record.events.path if self._record else self._other

    def hear(self, said: LogRecord) -> None:
        """Take in what Snakemake says."""
        facts, self._now = vars(said), round(said.created * 1000)
        if said.msg == INTERRUPTED:
            self._is_interrupted = True
        match str(facts.get("event")):
            case "run_info":
                self._planned = {rule: count for rule, count in facts["stats"].items() if rule != TOTAL}
            case "job_info":
                self._begin(facts)
            case "job_finished":
                self._end(facts["job_id"], failed=False)
            case "job_error":
                self._end(facts["jobid"], failed=True)
            case "progress":
                self._is_done = facts["done"] == facts["total"]
            case "error":
                self._is_done = False  # unless a job that was tried again makes up for it

    def end(self) -> None:
        """Note the end of the run, which Snakemake does not tell: it follows from what became of its jobs."""
        if not self._record:
            return
        state, code = self._outcome()
        self._now = time.time_ns() // 1_000_000
        self._record.events.note("run.ended", {"exit": code, "state": state})
        self._record.events.close()
        with suppress(OSError):
            os.close(self._at_work)
            (self._folder / AT_WORK).unlink()

    def _outcome(self) -> tuple[str, int]:
        """Return the state of the run and its exit code."""
        if self._is_interrupted:
            return event.CANCELED, 130
        return (event.COMPLETE, 0) if self._is_done and not self._failed else (event.EXECUTOR_ERROR, 1)

    def _begin(self, facts: Mapping[str, Any]) -> None:
        kept = self._kept()
        if kept:
            task = self._task(facts)
            self._failed.pop(task.job, None)
            self._under_way[facts["jobid"]] = task
            kept.given(task)
            kept.began(task, "")

    def _end(self, number: int, *, failed: bool) -> None:
        task = self._under_way.pop(number, None)
        if not self._record or not task or (failed and self._is_interrupted):
            return  # what the interrupt has ended is no failure
        if failed:
            self._failed[task.job] = task
            keep_logs(task, self._record)
            self._record.ended(task, "", FAILED)
        else:
            self._record.succeeded_here(task)

    def _task(self, facts: Mapping[str, Any]) -> Task:
        rule = str(facts["rule_name"])
        wildcards = {name: str(value) for name, value in (facts.get("wildcards") or {}).items()}
        job = tasks.identity([(rule, wildcards)])
        self._tries[job] = self._tries.get(job, 0) + 1
        memory = (facts.get("resources") or {}).get("mem_mb")
        return Task(
            job=job,
            rule=rule,
            shape=Shape(facts.get("threads") or 1, memory if isinstance(memory, int) else None),
            title=tasks.title(rule, wildcards),
            outputs=tuple(map(str, facts.get("output") or ())),
            logs=tuple(map(str, facts.get("log") or ())),
            wildcards=wildcards,
            attempt=self._tries[job],
            after=None,
        )

    def _kept(self) -> Record | None:
        """Return the record, which begins with this; None if another one is kept."""
        if self._record is None and self._other is None:
            self._other = writer.open_path()
            self._record = None if self._other else self._started()
        return self._record

    def _started(self) -> Record:
        found = Record(self._run, self._warn)
        found.events.clock = lambda: self._now
        found.events.note(
            "run.started",
            {
                "run": self._run,
                "byok8s": __version__,
                "snakemake": metadata.version("snakemake"),
                "snakefile": str(_snakefile(self._start)),
                "command": asked.command(sys.argv),
                "resumed": False,
            },
        )
        folder = self._folder = users_folder().absolute() / record.folder(self._run)
        self._at_work = -1
        with suppress(OSError):
            (folder / "logs").mkdir()  # so that `byok8s logs` says that none has one if no job fails
            self._at_work = os.open(folder / AT_WORK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._at_work, fcntl.LOCK_EX)
        found.events.note("run.planned", {"jobs": self._planned})
        return found


def _snakefile(start: Path) -> Path:
    """Return the Snakefile, by the command. What Snakemake tells its loggers is a file of its own, in 9.27."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-s", "--snakefile")
    said = parser.parse_known_args(sys.argv[1:])[0].snakefile
    places = [start / (said or place) for place in files.SNAKEFILES]
    return next((place for place in places if place.is_file()), places[0])
