"""What a run was asked to make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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


def _path(file: Any) -> Iterator[str]:
    """Yield the path of a file that is in the bucket of the workflow."""
    stored = file.flags.get("storage_object")
    workspace = getattr(getattr(stored, "provider", None), "workspace", None)
    if workspace and (path := workspace.path(stored)):
        yield path
