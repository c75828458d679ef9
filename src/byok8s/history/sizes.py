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
WORKERS_MB: Final = 200  # what the worker takes of the pod's memory, beside the job
AFTER_OUT_OF_MEMORY: Final = 1.5  # above the most with which a job has run out of it
STEP_MB: Final = 100
MB_OF_MIB: Final = (
    1.048576  # max_rss is in MiB, as Snakemake's benchmarks have it; mem_mb is in MB, as pods have it
)
ROOMY: Final = 0.8  # jobs that went well with so much of what was asked for need no more
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

    jobs: those that went well and were measured. asked_mb, asked_threads: the most that was asked for. peak_mb: the
    most that a job used. cores: the most processors that one used on average. None: not known.
    """

    size: Size
    jobs: int
    asked_mb: int | None
    asked_threads: int | None
    peak_mb: float | None
    cores: float | None


def learned(tries: Iterable[Try]) -> list[Learned]:
    """Return what tries, of one run or several, tell of each rule; of groups nothing, whose jobs are not told apart."""
    found: dict[str, list[Try]] = {}
    for each in tries:
        if each.rules == (each.rule,):
            found.setdefault(each.rule, []).append(each)
    return [_learned(rule, own) for rule, own in found.items()]


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
    return min([enough, *(mb for mb in proven if mb * ROOMY >= peak and mb * ROOMY > too_little)])


def _used(each: Try) -> float:
    return (each.max_rss or 0) * MB_OF_MIB


def threads(cores: float | None, asked: int | None) -> int | None:
    """Return how many threads are enough, if that is fewer than were asked for. cores: used on average at most."""
    if cores is None or asked is None:
        return None
    enough = max(1, math.ceil(cores * CORES_MARGIN))
    return enough if enough < asked else None


def _learned(rule: str, own: Sequence[Try]) -> Learned:
    measured = [each for each in own if each.state == COMPLETE and each.max_rss is not None]
    asked = max((each.threads for each in own if each.threads is not None), default=None)
    cores = max(filter(None, map(_cores, measured)), default=None)
    return Learned(
        Size(rule, memory(own), threads(cores, asked)),
        len(measured),
        max((each.mem_mb for each in own if each.mem_mb is not None), default=None),
        asked,
        max((each.max_rss for each in measured if each.max_rss is not None), default=None),
        cores,
    )


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
