"""Which inputs several jobs of a run take: a worker keeps those, so that not each of its jobs fetches them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import Job


class Shared:
    """Knows them by their paths. A checkpoint adds jobs: then they are counted again."""

    def __init__(self, dag: DAG) -> None:
        self._dag, self._jobs = dag, -1
        self._takers: Counter[str] = Counter()

    def is_shared(self, path: str, job: Job) -> bool:
        """Return whether more jobs than this take a file. A job with a limit to its disk keeps nothing."""
        if job.resources.get("disk_mb"):
            return False
        if self._jobs != len(self._dag):
            self._jobs = len(self._dag)
            self._takers = Counter(str(file) for each in self._dag.needrun_jobs() for file in each.input)
        return self._takers[path] > 1
