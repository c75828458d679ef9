"""What rules had better ask for, by what their jobs used in earlier runs. Values in, values out."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from byok8s.history.event import COMPLETE
from byok8s.history.state import Try

MARGIN: Final = 1.2  # above the most memory that a job has used
# of the pod's memory, beside the job: worker and kernel took at most 57, and `run:` keeps a Snakefile
WORKERS_MB: Final = 150
AFTER_OUT_OF_MEMORY: Final = 1.5  # above the most with which a job has run out of it
STEP_MB: Final = 50
MB_OF_MIB: Final = (
    1.048576  # max_rss is in MiB, as Snakemake's benchmarks have it; mem_mb is in MB, as pods have it
)
ROOMY: Final = 0.8  # jobs that went well with so much of what was asked for need no more
OFTEN: Final = 5  # nor do so many of them with whatever they asked for, if each
ABOUT: Final = 0.9  # has used so much of the most that any has used
CORES_MARGIN: Final = 1.1
LEAST_SECONDS: Final = 1.0  # of a shorter job, the start of its process is most of what it used
OUT_OF_MEMORY: Final = "out-of-memory"
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Size:
    """What a rule is to ask for; None for what it declares."""

    rule: str
    mem_mb: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Learned:
    """What is known of a rule, and what follows of it.

    jobs: those that went well and were measured, and groups with some of the rule's jobs. asked_mb, asked_threads: the
    most that was asked for. peak_mb: the most that one used. cores: the most processors that one used on average. None:
    not known.
    """

    size: Size
    jobs: int
    asked_mb: int | None
    asked_threads: int | None
    peak_mb: float | None
    cores: float | None


def learned(tries: Iterable[Try]) -> list[Learned]:
    """Return what tries, of one run or several, tell of each rule.

    The jobs of a group are not told apart, but none has used more than all of them. So if they run one by one, and the
    group asks for the most of what they ask for, each asks for what was enough for the group. Of groups whose jobs run
    at once nothing is told, nor of the threads of any.
    """
    own: dict[str, list[Try]] = {}
    grouped: dict[str, list[Try]] = {}
    for each in tries:
        if each.rules == (each.rule,):
            own.setdefault(each.rule, []).append(each)
        elif each.at_once == 1:
            for rule in dict.fromkeys(each.rules):
                grouped.setdefault(rule, []).append(each)
    return [_learned(rule, own.get(rule, []), grouped.get(rule, [])) for rule in own | grouped]


def memory(tries: Sequence[Try]) -> int | None:
    """Return the memory in MB that is enough for all that a rule has used so far; None if nothing is known."""
    measured = [each for each in tries if each.state == COMPLETE and each.max_rss]
    too_little = max((each.mem_mb or 0 for each in tries if each.cause == OUT_OF_MEMORY), default=0)
    if not measured and not too_little:
        return None
    peak = max((_used(each) for each in measured), default=0.0)
    wanted = max(peak * MARGIN + WORKERS_MB, too_little * AFTER_OUT_OF_MEMORY)
    enough = math.ceil(wanted / STEP_MB) * STEP_MB
    # what smaller jobs did well with proves nothing of those that used the most
    proven = [each.mem_mb for each in measured if each.mem_mb and _used(each) == peak]
    roomy = [mb for mb in proven if mb * ROOMY >= peak and mb * ROOMY > too_little]
    often = [mb for mb in proven if mb > too_little and _is_often_enough(mb, peak, measured)]
    return min([enough, *roomy, *often])


def _is_often_enough(mb: int, peak: float, measured: Iterable[Try]) -> bool:
    """Return whether jobs that used the most, or about that, have gone well with this memory again and again."""
    alike = [each for each in measured if each.mem_mb and each.mem_mb <= mb and _used(each) >= peak * ABOUT]
    return len(alike) >= OFTEN and mb >= peak + WORKERS_MB


def _used(each: Try) -> float:
    return (each.max_rss or 0) * MB_OF_MIB


def threads(cores: float | None, asked: int | None) -> int | None:
    """Return how many threads are enough, if that is fewer than were asked for. cores: used on average at most."""
    if cores is None or asked is None:
        return None
    enough = max(1, math.ceil(cores * CORES_MARGIN))
    return enough if enough < asked else None


def _learned(rule: str, own: Sequence[Try], grouped: Sequence[Try]) -> Learned:
    """own: of the rule alone. grouped: of groups that its jobs were part of."""
    both = [*own, *grouped]
    measured = _measured(both)
    asked = max((each.threads for each in own if each.threads is not None), default=None)
    cores = max(filter(None, map(_cores, _measured(own))), default=None)
    return Learned(
        Size(rule, memory(both), threads(cores, asked)),
        len(measured),
        max((each.mem_mb for each in both if each.mem_mb is not None), default=None),
        asked,
        max((each.max_rss for each in measured if each.max_rss is not None), default=None),
        cores,
    )


def _measured(tries: Iterable[Try]) -> list[Try]:
    return [each for each in tries if each.state == COMPLETE and each.max_rss is not None]


def _cores(each: Try) -> float | None:
    """Return the processors that a try used on average, over all that it did with its files, too."""
    seconds = sum(each.seconds.values())
    return None if each.cpu_time is None or seconds < LEAST_SECONDS else each.cpu_time / seconds


# -- ready to use --


def profile(sizes: Iterable[Size]) -> str:
    """Return sizes as a part of a Snakemake profile; nothing without any."""
    sizes = list(sizes)
    rows = [f"  {_yaml(size.rule)}:\n    mem_mb: {size.mem_mb}" for size in sizes if size.mem_mb]
    rows_of_threads = [f"  {_yaml(size.rule)}: {size.threads}" for size in sizes if size.threads]
    resources = ["set-resources:", *rows] if rows else []
    return "\n".join([*resources, *(["set-threads:", *rows_of_threads] if rows_of_threads else [])])


def flags(sizes: Iterable[Size]) -> str:
    """Return the same as flags of Snakemake, for what comes after the -- of byok8s."""
    sizes = list(sizes)
    of_memory = [f"{size.rule}:mem_mb={size.mem_mb}" for size in sizes if size.mem_mb]
    of_threads = [f"{size.rule}={size.threads}" for size in sizes if size.threads]
    parts = [("--set-resources", of_memory), ("--set-threads", of_threads)]
    return " ".join(f"{flag} {shlex.join(values)}" for flag, values in parts if values)


def _yaml(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name)
