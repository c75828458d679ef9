"""What rules asked for, what they used, and what they had better ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from byok8s.history import sizes
from byok8s.history.event import COMPLETE
from byok8s.history.sizes import Size
from byok8s.history.state import Try
from byok8s.report.time import Spent

LITTLE: Final = 0.9  # what differs by less is not worth a line


@dataclass(frozen=True)
class Rule:
    """The tries of a rule, or of a group's jobs together. None stands for what is not recorded.

    threads, mem_mb: the most that a try asked for. median, longest: seconds from begin to end of those that went well.
    cores: the most processors that one used on average. peak_mb, median_mb: memory of a job's processes together.
    cpu, asked: processor seconds that were used, and that were asked for, of the tries of which both are known.
    measured: tries of which it is known what they used. core_hours: of tries in pods, by their threads.
    fetched, cached, stored: bytes of all tries' files. better_mb, better_threads: what to ask for instead.
    """

    name: str
    is_group: bool
    tries: int
    done: int
    failed: int
    threads: int | None
    mem_mb: int | None
    median: float | None
    longest: float | None
    cores: float | None
    peak_mb: float | None
    median_mb: float | None
    cpu: float
    asked: float
    measured: int
    core_hours: float
    fetched: int | None
    cached: int | None
    stored: int | None
    better_mb: int | None
    better_threads: int | None

    @property
    def better(self) -> Size:
        """Return what it had better ask for."""
        return Size(self.name, self.better_mb, self.better_threads)


def rules(tries: Iterable[Try], spent: Mapping[str, Spent]) -> list[Rule]:
    """Return the rules in the order in which their first jobs were given."""
    found: dict[str, list[Try]] = {}
    for each in tries:
        found.setdefault(each.rule, []).append(each)
    return [_rule(name, own, spent) for name, own in found.items()]


def _rule(name: str, own: Sequence[Try], spent: Mapping[str, Spent]) -> Rule:
    done = [each for each in own if each.state == COMPLETE]
    lasted = [(each.ended - each.began) / 1000 for each in done if each.ended and each.began]
    measured = [each for each in own if each.cpu_time is not None and _worked(spent[each.id]) > 0]
    long = [each for each in measured if _worked(spent[each.id]) >= sizes.LEAST_SECONDS * 1000]
    cores = max((_cores(each, spent[each.id]) for each in long), default=None)
    rss = [each.max_rss for each in own if each.max_rss is not None]
    threads = max((each.threads for each in own if each.threads is not None), default=None)
    mem_mb = max((each.mem_mb for each in own if each.mem_mb is not None), default=None)
    is_group = any(each.rules != (name,) for each in own)
    return Rule(
        name,
        is_group,
        len(own),
        len(done),
        sum(each.failed for each in own),
        threads,
        mem_mb,
        median(lasted) if lasted else None,
        max(lasted, default=None),
        cores,
        max(rss, default=None),
        median(rss) if rss else None,
        sum(each.cpu_time or 0 for each in measured),
        sum((each.threads or 1) * _worked(spent[each.id]) / 1000 for each in measured),
        len(rss),
        sum((each.threads or 0) * _in_pod(spent[each.id]) for each in own if each.pod) / 3_600_000,
        _sum(each.fetched for each in own),
        _sum(each.cached for each in own),
        _sum(each.stored for each in own),
        None if is_group else _better_mb(own),
        None if is_group or not done else sizes.threads(cores, threads),
    )


def _sum(amounts: Iterable[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _worked(of: Spent) -> float:
    """Return the milliseconds in which a try may have used a processor: those on its files count, too."""
    return of.fetch + of.run + of.store + of.unsplit


def _in_pod(of: Spent) -> float:
    return _worked(of) + of.handover


def _cores(each: Try, of: Spent) -> float:
    return (each.cpu_time or 0) * 1000 / _worked(of)


def _better_mb(own: Sequence[Try]) -> int | None:
    """Return the memory to ask for; None if nothing is known to be better than what first tries ask for."""
    asked = max((each.mem_mb for each in own if each.mem_mb is not None and each.attempt == 1), default=None)
    better = sizes.memory(own)
    if better is None:
        return None
    peak = max((each.max_rss for each in own if each.state == COMPLETE and each.max_rss), default=0)
    ran_out = any(each.cause == sizes.OUT_OF_MEMORY for each in own)
    if asked is None or better < asked * LITTLE:
        return better
    is_tight = ran_out or peak > asked * LITTLE
    return better if is_tight and better > asked else None
