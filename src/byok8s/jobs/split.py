"""A group whose members ask for what only its own members' files can tell, such as memory by the size of an input.

Such values are never guessed: the members run one level after another, each as a job of its own, by way of the bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from byok8s import compat
from byok8s.jobs import software
from byok8s.jobs.unknown import unknown
from byok8s.pods.manifest import Task
from byok8s.pods.outcome import Outcome

if TYPE_CHECKING:
    from snakemake.jobs import GroupJob, Job

Submit: TypeAlias = "Callable[[Job, SplitGroup], Task]"
"""submit(member, group): has a member run, and returns its task. Raises what describing it raises."""


def wants_split(group: GroupJob) -> bool:
    """Return whether a member has values that are not known yet, or members want several images.

    A pipe or a service allows no split.
    """
    tied = any(job.is_pipe or job.is_service for job in group)
    return not tied and (any(unknown(job) for job in group) or len(software.images(group)) > 1)


class SplitGroup:
    """One such group under way. Its owner has a lock around it.

    failed: the first member that has: its task, pod and outcome. done: the members that have ended well.
    """

    def __init__(self, group: GroupJob, submit: Submit) -> None:
        self.group = group
        self._submit = submit
        self._levels: Iterator[list[Job]] = iter(compat.levels_of(group))
        self._running: dict[str, Job] = {}  # by task's job
        self.failed: tuple[Task, str, Outcome] | None = None
        self.done: list[Job] = []

    def next_level(self) -> bool:
        """Have the next members run. Returns whether there are any."""
        for job in next(self._levels, []):
            compat.evaluate_again(job)
            self._running[self._submit(job, self).job] = job
        return bool(self._running)

    def ended(self, task: Task, pod: str, found: Outcome, *, well: bool) -> bool:
        """A member has ended. Returns whether all of its level have: then there is a next level, or an end."""
        job = self._running.pop(task.job)
        if well:
            self.done.append(job)
        else:
            self.failed = self.failed or (task, pod, found)
        return not self._running
