"""Which of the ready jobs start now. Pure: jobs and resources in, jobs out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

ALL = 1 << 62  # jobs, where no limit binds


class File(Protocol):
    def is_flagged(self, flag: str) -> bool: ...


class Job(Protocol):
    """What is asked of a job, or of a group of jobs, which starts as one."""

    @property
    def priority(self) -> int: ...
    @property
    def input(self) -> Iterable[File]: ...
    @property
    def scheduler_resources(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, order=True)
class Shape:
    """All that decides whether a job starts before another; jobs of one shape stand for each other.

    frees: whether the job has a temp() input, which can be removed after it: such a job starts before others of its
    priority. needs: only of the resources that are limited and needed, by their names.
    """

    priority: int
    frees: bool
    needs: tuple[tuple[str, int], ...]

    def room(self, available: Mapping[str, int]) -> int:
        """Return how many jobs of this shape could start if no others did."""
        return min((max(0, available[name]) // need for name, need in self.needs), default=ALL)


def shape(job: Job, limited: Iterable[str]) -> Shape:
    resources = job.scheduler_resources
    return Shape(
        priority=job.priority,
        frees=any(file.is_flagged("temp") for file in job.input),
        needs=tuple((name, need) for name in limited if (need := resources.get(name, 0)) > 0),
    )


def chosen(jobs: Iterable[Job], available: Mapping[str, int]) -> list[Job]:
    """Return jobs that together need no more than what is available, those of higher priority first.

    Whatever is left out would not fit beside what is returned.
    """
    left = dict(available)
    ranked = sorted(
        ((shape(job, available), job) for job in jobs),
        key=lambda one: (one[0].priority, one[0].frees),
        reverse=True,
    )
    result = []
    for of, job in ranked:
        if of.room(left):
            result.append(job)
            for name, need in of.needs:
                left[name] -= need
    return result


class Queue:
    """Ready jobs by their shapes, first come first, so that a choice need not look at each of them again.

    Of each shape no more jobs are offered than could start: what `chosen` takes of the offer is what it could take of
    all ready jobs.
    """

    def __init__(self) -> None:
        self._shapes: dict[Job, Shape] = {}
        self._jobs: dict[Shape, dict[Job, None]] = {}

    def update(self, ready: set[Job]) -> set[Job]:
        """Drop jobs that are not ready any longer, and return those that are ready and not yet in the queue."""
        self.remove(self._shapes.keys() - ready)
        return ready.difference(self._shapes) if len(self._shapes) < len(ready) else set()

    def add(self, jobs: Iterable[Job], limited: Iterable[str]) -> None:
        for job in jobs:
            of = self._shapes[job] = shape(job, limited)
            self._jobs.setdefault(of, {})[job] = None

    def remove(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if of := self._shapes.pop(job, None):
                del self._jobs[of][job]
                if not self._jobs[of]:
                    del self._jobs[of]

    def offer(self, available: Mapping[str, int]) -> list[Job]:
        """Return every job that may start, given what is available."""
        return [job for of, jobs in self._jobs.items() for job in islice(jobs, of.room(available))]
