"""What of Snakemake's own scheduler has no public name: taken hold of here, and nowhere else.

At each job's end Snakemake goes through all ready jobs, and asks for the size of each of their inputs. With the Queue
it is shown no more of them than could start.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_scheduler_plugin_byok8s import Scheduler
from snakemake_scheduler_plugin_byok8s.choice import Queue

if TYPE_CHECKING:
    from logging import Logger

    from snakemake.scheduling.job_scheduler import JobScheduler

# what is overridden or called, and its parameters
KNOWN: Final = {
    "__init__": "self workflow executor_plugin scheduler greedy_scheduler_settings",
    "run": "self jobs executor",
    "validate_job": "self job",
    "update_input_sizes": "self jobs",
    "schedule": "self",
}
PROPERTIES: Final = ("open_jobs", "remaining_jobs")
MOST_LEFT: Final = 20  # jobs that are named


def check(of: type[JobScheduler]) -> None:
    """Raise WorkflowError for a Snakemake that has other names."""
    found = {name: getattr(of, name, None) for name in KNOWN}
    other = [name for name, function in found.items() if not _takes(function, KNOWN[name])]
    other += [name for name in PROPERTIES if not isinstance(getattr(of, name, None), property)]
    if other:
        raise WorkflowError(
            f"Snakemake {metadata.version('snakemake')} has another JobScheduler.{other[0]} than byok8s needs: use a "
            "version that byok8s names in its requirements."
        )


def _takes(function: Callable[..., object] | None, parameters: str) -> bool:
    return callable(function) and " ".join(inspect.signature(function).parameters) == parameters


def adapted(original: type[JobScheduler]) -> Callable[..., JobScheduler]:
    """Return what makes Snakemake's scheduler: one whose runs are not complete without a job.

    It has a Queue if jobs are chosen by the plugin.
    """

    def scheduler(workflow: Any, executor_plugin: Any, scheduler: Any, *others: Any) -> JobScheduler:
        check(original)
        made = _complete(original, scheduler.logger)
        if isinstance(scheduler, Scheduler):
            made = _queued(made)
        return made(workflow, executor_plugin, scheduler, *others)

    return scheduler


def _complete(original: type[JobScheduler], logger: Logger) -> type[JobScheduler]:
    class Complete(original):  # type: ignore[misc]
        def schedule(self) -> bool:
            """Run all jobs. Snakemake does not look at what it has left out if it is to keep going (snakemake#823)."""
            done: bool = super().schedule()
            if not done or not (left := list(self.remaining_jobs)):
                return done
            logger.error(_left_words(left))
            return False

    return Complete


def _left_words(jobs: Sequence[Any]) -> str:
    lines = sorted(f"    {job}: {', '.join(map(str, job.output))}".removesuffix(": ") for job in jobs)
    more = [f"    and {len(jobs) - MOST_LEFT} more"] if jobs[MOST_LEFT:] else []
    named = "\n".join([*lines[:MOST_LEFT], *more])
    return (
        f"Not complete: Snakemake has ended without jobs that were still to be made ({len(jobs)}):\n{named}\n"
        "Run it again: that makes them, and what is made stays."
    )


def _queued(original: type[JobScheduler]) -> type[JobScheduler]:
    class Queued(original):  # type: ignore[misc]
        def __init__(self, *arguments: Any) -> None:
            self._queue = Queue()
            super().__init__(*arguments)

        @property
        def open_jobs(self) -> list[Any]:
            """The ready jobs that may start; if none may, one of them, by which Snakemake sees that it is not done."""
            ready = self.workflow.dag.ready_jobs
            new: set[Any] = self._queue.update(ready)
            for job in new:
                job.reset_params_and_resources()  # as Snakemake does before it looks at them
                self.validate_job(job)
            self._queue.add(new, self.global_resources)
            return self._queue.offer(self.resources) or list(islice(ready, 1))

        @property
        def remaining_jobs(self) -> Sequence[Any]:
            return _Later(lambda: super(Queued, self).remaining_jobs)

        async def update_input_sizes(self, jobs: Iterable[Any]) -> None:
            """Do nothing: the plugin asks for no sizes, each of which is a look at the bucket."""

        def run(self, jobs: Any, executor: Any = None) -> None:
            self._queue.remove(jobs)  # one that fails is ready again, and may need something else then
            super().run(jobs, executor)

    return Queued


class _Later(Sequence[Any]):
    """A list that is made when somebody looks at it."""

    def __init__(self, make: Callable[[], list[Any]]) -> None:
        self._make = make

    def __getitem__(self, index: Any) -> Any:
        return self._make()[index]

    def __len__(self) -> int:
        return len(self._make())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._make())
