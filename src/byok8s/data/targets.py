"""What a run was asked to make, and what it makes for that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from byok8s.jobs import keep, keys

if TYPE_CHECKING:
    from snakemake.dag import DAG


class Targets:
    """The files that a run was asked for, once Snakemake has planned."""

    def __init__(self) -> None:
        self._dag: DAG | None = None

    def planned(self, dag: DAG) -> None:
        self._dag = dag

    def paths(self) -> set[str]:
        """Return their paths below the bucket's prefix: of the outputs of a target, or the inputs of one without any.

        What a checkpoint has shown to be needed is among them when the run is over.
        """
        jobs = () if self._dag is None else self._dag.targetjobs  # a DAG without jobs to run counts as false
        files = (file for job in jobs for file in (job.output or job.input))
        return {path for file in files for path in _path(file)}

    def made(self) -> set[str]:
        """Return the keys of all that the jobs of the plan make, whether they have run or not."""
        if self._dag is None:
            return set()
        files = keys.stored(self._dag.jobs, self._dag.workflow)
        return {file.key for file in files if file.kind != "input"}

    def kept(self) -> set[str]:
        """Return the patterns of what the rules of the plan keep without declaring it. Raises InputError."""
        jobs = () if self._dag is None else self._dag.jobs
        return {pattern for pattern, _ in keep.wanted(jobs)}


def _path(file: Any) -> Iterator[str]:
    """Yield the path of a file that is in the bucket of the workflow."""
    stored = file.flags.get("storage_object")
    workspace = getattr(getattr(stored, "provider", None), "workspace", None)
    if workspace and (path := workspace.path(stored)):
        yield path
