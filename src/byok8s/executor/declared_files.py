"""The files that rules declare: whether a bucket can have them, and what jobs leave in addition to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from byok8s.jobs import keep, keys
from byok8s.pods.outcome import Outcome

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow


class DeclaredFiles:
    """The files that the rules of one run declare. warn: is told, once a rule, of files that its jobs lose."""

    def __init__(self, workflow: Workflow, warn: Callable[[str], None]) -> None:
        self._workflow, self._warn = workflow, warn
        self._rules: dict[str, str] = {}  # of outputs, logs and benchmarks
        self._told_of: set[str] = set()  # rules
        self._lock = threading.Lock()

    def check(self, jobs: Iterable[Job]) -> None:
        """Note the files of jobs. Raises InputError for those that cannot be in a bucket, or cannot be kept."""
        jobs = list(jobs)
        keep.check(jobs)
        self._rules |= keep.declared(jobs)
        keys.check(list(keys.stored(jobs, self._workflow)), keys.asking(self._workflow))

    def tell_of_left(self, found: Outcome) -> None:
        """Say of a job's rule that its jobs leave files which nobody keeps. Any thread may call."""
        for left in found.left:
            with self._lock:
                first = left.rule not in self._told_of
                self._told_of.add(left.rule)
            if first and (words := keep.words(left, self._rules)):
                self._warn(words)
