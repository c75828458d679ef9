"""Cores over time: how many workers had, how many running jobs had asked for, and how many were used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from byok8s.history.state import Try
from byok8s.report.workers import Worker

MOST: Final = 600  # points: more than a page has room for
LEAST_MS: Final = 100


@dataclass(frozen=True)
class Cores:
    """Averages over spans of the same length. step: in seconds. used: each job's average over its time."""

    step: float
    reserved: Sequence[float]
    asked: Sequence[float]
    used: Sequence[float]


def cores(workers: Iterable[Worker], tries: Iterable[Try], first: int, until: int) -> Cores:
    """first, until: the run's first and last time, in milliseconds since 1970."""
    step = max(LEAST_MS, -(-(until - first) // MOST))
    count = max(1, -(-(until - first) // step))
    reserved, asked, used = (_Sums(first, step, count) for _ in range(3))
    for worker in workers:
        reserved.add(worker.scheduled, worker.gone, worker.threads or 0)
    for each in tries:
        if each.began is None:
            continue
        end = until if each.ended is None else each.ended
        if each.pod:  # what runs on the controller's machine takes nothing of a node
            asked.add(each.began, end, each.threads or 0)
        if each.cpu_time is not None and end > each.began:
            used.add(each.began, end, each.cpu_time * 1000 / (end - each.began))
    return Cores(step / 1000, reserved.averages(), asked.averages(), used.averages())


class _Sums:
    """Sums over spans, each as changes: however long a job lasts, it takes four of them."""

    def __init__(self, first: int, step: int, count: int) -> None:
        self._first, self._step, self._count = first, step, count
        self._steady = [0.0] * (count + 1)  # by how much a value changes with a span
        self._edges = [0.0] * (count + 1)  # what is of one span alone

    def add(self, begin: int, end: int, value: float) -> None:
        if end <= begin or not value:
            return
        low, high = (min(max(0.0, (at - self._first) / self._step), self._count) for at in (begin, end))
        first, last = int(low), int(high)
        self._steady[first] += value
        self._edges[first] -= (low - first) * value
        self._steady[last] -= value
        self._edges[last] += (high - last) * value

    def averages(self) -> list[float]:
        sums = zip(accumulate(self._steady), self._edges, strict=True)
        return [round(max(0.0, steady + edge), 3) for steady, edge in sums][: self._count]
