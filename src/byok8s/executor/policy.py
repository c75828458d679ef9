"""What is tried again without asking anybody. Values in, values out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from byok8s.executor.cause import Cause, Kind
from byok8s.executor.manifest import DEFAULT_MEMORY_MB, Task
from byok8s.executor.outcome import Outcome

MOST_LOSSES = 5  # tries that one task may lose to infrastructure
MOST_LOSSES_TO_S3 = 1  # it has been waited for in each of them
S3 = frozenset({Cause.DNS, Cause.S3_THROTTLED, Cause.S3_UNREACHABLE})
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0


@dataclass(frozen=True)
class Again:
    """task: the next try. pause: seconds before it. why: what is said of it."""

    task: Task
    pause: float
    why: str


@dataclass(frozen=True)
class Policy:
    """oom_retries: how often a task that ran out of memory gets more, each time oom_factor times what it had.
    largest_mb: the memory that the largest node has for pods; None where that is not known.
    """

    oom_retries: int = 0
    oom_factor: float = 1.5
    largest_mb: int | None = None

    def again(self, task: Task, found: Outcome) -> Again | None:
        """The next try of a task that has failed; None where Snakemake and its --retries are to decide."""
        most = MOST_LOSSES_TO_S3 if found.cause in S3 else MOST_LOSSES
        if found.cause and found.cause.kind is Kind.INFRASTRUCTURE and task.losses < most:
            pause = min(FIRST_PAUSE_SECONDS * 2**task.losses, LONGEST_PAUSE_SECONDS)
            why = f"It is tried again in {pause:.0f} s ({task.losses + 1} of {most} times)"
            return Again(replace(task, losses=task.losses + 1), pause, why)
        if found.cause is Cause.OUT_OF_MEMORY and task.ooms < self.oom_retries:
            return self._with_more_memory(task)
        return None

    def _with_more_memory(self, task: Task) -> Again | None:
        had = task.shape.mem_mb or DEFAULT_MEMORY_MB
        more = math.ceil(had * self.oom_factor)
        if self.largest_mb is not None:
            more = min(more, self.largest_mb)
        if more <= had:
            return None
        why = (
            f"It is tried again with {more} MB instead of {had} ({task.ooms + 1} of {self.oom_retries} times)"
        )
        return Again(replace(task, shape=replace(task.shape, mem_mb=more), ooms=task.ooms + 1), 0.0, why)
