"""Files of jobs upstream that a shell command names and does not declare: at home they are simply there.

Only what is certain is taken: a whole word of the command that is the path of an output, log or benchmark of a job that
has ended before this one begins. What the command itself writes to is left to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Set
from typing import TYPE_CHECKING, Final

from byok8s.jobs.job_files import files_of

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.io import _IOFile
    from snakemake.jobs import Job

WORD: Final = re.compile(r"(>\s*)?[\"']?([^\s'\"`;|&<>(){}\[\]$=,:#*?]+)")
PASSING: Final = ("temp", "pipe", "service")


class Upstream:
    """Of one run."""

    def __init__(self, dag: DAG) -> None:
        self._dag = dag
        self._jobs = 0
        self._made: Set[str] = frozenset()

    def named(self, job: Job, command: str) -> Iterator[_IOFile]:
        """Yield the files of jobs upstream that the command of a job names beside the job's own."""
        own = {os.path.normpath(file) for _, file in files_of(job)}
        if not (wanted := (words(command) & self._all_made()) - own):
            return
        for maker in self._upstream_of(job):
            yield from (file for path, file in _made_by(maker) if path in wanted)

    def _all_made(self) -> Set[str]:
        """Return the paths of all files that jobs make; a checkpoint may have brought more of them."""
        if self._jobs != len(self._dag.jobs):
            self._jobs = len(self._dag.jobs)
            self._made = {path for job in self._dag.jobs for path, _ in _made_by(job)}
        return self._made

    def _upstream_of(self, job: Job) -> Iterator[Job]:
        seen, todo = {job}, [job]
        while todo:
            for maker in self._dag.dependencies[todo.pop()]:
                if maker not in seen:
                    seen.add(maker)
                    todo.append(maker)
                    yield maker


def words(command: str) -> set[str]:
    """Return the words of a command that may be paths, without those that it writes to."""
    found = [(bool(writes), os.path.normpath(word)) for writes, word in WORD.findall(command)]
    return {word for _, word in found} - {word for writes, word in found if writes}


def _made_by(job: Job) -> Iterator[tuple[str, _IOFile]]:
    for kind, file in files_of(job):
        if kind != "input" and not any(file.flags.get(flag) for flag in PASSING):
            yield os.path.normpath(file), file
