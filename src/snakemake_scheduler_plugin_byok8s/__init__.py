"""`snakemake --scheduler byok8s`: what Snakemake looks for in a scheduler plugin.

Snakemake imports this at every start, whichever scheduler is used: nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from snakemake_interface_scheduler_plugins.base import SchedulerBase

from snakemake_scheduler_plugin_byok8s.choice import chosen

if TYPE_CHECKING:
    from snakemake_interface_common.io import AnnotatedStringInterface

    from snakemake_scheduler_plugin_byok8s.choice import Job

__all__ = ["Scheduler"]


class Scheduler(SchedulerBase):  # type: ignore[misc]
    """Starts everything that can start: where a job fits, the cluster decides."""

    def select_jobs(
        self,
        selectable_jobs: Sequence[Job],
        remaining_jobs: Sequence[Job],  # noqa: ARG002
        available_resources: Mapping[str, int],
        input_sizes: Mapping[AnnotatedStringInterface, int],  # noqa: ARG002
    ) -> Sequence[Job]:
        """Select jobs that together need no more than what is available, those of higher priority first."""
        return chosen(selectable_jobs, available_resources)
