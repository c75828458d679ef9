"""Which failed tasks are tried again without asking anybody. Values in, values out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from byok8s.pods.cause import Cause, FailureKind
from byok8s.pods.manifest import DEFAULT_MEMORY_MB, Task
from byok8s.pods.outcome import Outcome

MOST_LOSSES = 5  # tries that one task may lose to infrastructure
MOST_LOSSES_TO_S3 = 1  # it has been waited for in each of them
S3 = frozenset({Cause.DNS, Cause.S3_THROTTLED, Cause.S3_UNREACHABLE})
COUNT = re.compile(r"([lm])(\d+)")  # in the id of a try
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0


@dataclass(frozen=True)
class Retry:
    """One more attempt. task: the attempt. pause: seconds before it. why: what the user is told of it."""

    task: Task
    pause: float
    why: str


@dataclass(frozen=True)
class RetryPolicy:
    """Decides on another attempt.

    oom_retries: how often a task that ran out of memory gets more, each time oom_factor times what it had.
    largest_mb: the memory that the largest node has for pods; None if that is not known.
    """

    oom_retries: int = 0
    oom_factor: float = 1.5
    largest_mb: int | None = None

    def again(self, task: Task, found: Outcome, had_mb: int | None = None) -> Retry | None:
        """Return the next attempt at a task that has failed; None if Snakemake and its --retries are to decide.

        had_mb: the memory of its pod, if that was another task's before and has more than this one asked for.
        """
        task = _with_own_id(task)
        most = MOST_LOSSES_TO_S3 if found.cause in S3 else MOST_LOSSES
        if found.cause and found.cause.kind is FailureKind.INFRASTRUCTURE and task.losses < most:
            pause = min(FIRST_PAUSE_SECONDS * 2**task.losses, LONGEST_PAUSE_SECONDS)
            why = f"It is tried again in {pause:.0f} s ({task.losses + 1} of {most} times)"
            return Retry(replace(task, losses=task.losses + 1), pause, why)
        if found.cause is Cause.OUT_OF_MEMORY and task.ooms < self.oom_retries:
            return self._with_more_memory(task, had_mb)
        return None

    def _with_more_memory(self, task: Task, had_mb: int | None) -> Retry | None:
        had = max(task.shape.mem_mb or DEFAULT_MEMORY_MB, had_mb or 0)
        more = math.ceil(had * self.oom_factor)
        if self.largest_mb is not None:
            more = min(more, self.largest_mb)
        if more <= had:
            return None
        why = (
            f"It is tried again with {more} MB instead of {had} ({task.ooms + 1} of {self.oom_retries} times)"
        )
        return Retry(replace(task, shape=replace(task.shape, mem_mb=more), ooms=task.ooms + 1), 0.0, why)


def _with_own_id(task: Task) -> Task:
    """Return a task that an earlier controller had begun with that try's counts, so that the next has another id."""
    if not task.adopted:
        return task
    counts = {found[1]: int(found[2]) for part in task.adopted.split("-") if (found := COUNT.fullmatch(part))}
    return replace(task, adopted="", losses=counts.get("l", task.losses), ooms=counts.get("m", task.ooms))
