"""A run's jobs as a table with the columns of Nextflow's trace files, for the tools that read those."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from byok8s.history.event import CANCELED, COMPLETE, RUNNING
from byok8s.history.state import State, Try

UNKNOWN: Final = "-"
MB: Final = 1024 * 1024
_STATUS: Final = {"": "SUBMITTED", RUNNING: "RUNNING", COMPLETE: "COMPLETED", CANCELED: "ABORTED"}


def _duration(each: Try) -> int | None:
    return each.ended - each.given if each.ended is not None and each.given is not None else None


def _realtime(each: Try) -> int | None:
    if (run := each.seconds.get("run")) is not None:
        return round(run * 1000)
    if (
        each.pod or each.ended is None or each.began is None
    ):  # in a pod, that is with its files' way there and back
        return None
    return each.ended - each.began


def _percent(each: Try) -> float | None:
    whole = sum(each.seconds.values())  # the time spent on files is in cpu_time, too
    return round(each.cpu_time * 100 / whole, 1) if each.cpu_time is not None and whole else None


def _date(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    when = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{when:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03d}"


def _bytes(mb: float | None) -> int | None:
    return None if mb is None else round(mb * MB)


def _tag(each: Try) -> str:
    return ",".join(f"{name}={value}" for name, value in each.wildcards.items())


# Durations are in milliseconds and sizes in bytes, as with Nextflow's `trace.raw = true`. The cause is ours alone.
COLUMNS: Final[Mapping[str, Callable[[int, Try], object]]] = {
    "task_id": lambda number, _: number,
    "hash": lambda _, each: each.id,
    "native_id": lambda _, each: each.pod,
    "process": lambda _, each: each.rule,
    "tag": lambda _, each: _tag(each),
    "name": lambda _, each: f"{each.rule} ({_tag(each)})" if each.wildcards else each.rule,
    "status": lambda _, each: _STATUS.get(each.state, "FAILED"),
    "exit": lambda _, each: each.exit,
    "submit": lambda _, each: _date(each.given),
    "start": lambda _, each: _date(each.began),
    "complete": lambda _, each: _date(each.ended),
    "duration": lambda _, each: _duration(each),
    "realtime": lambda _, each: _realtime(each),
    "%cpu": lambda _, each: _percent(each),
    "peak_rss": lambda _, each: _bytes(each.max_rss),
    "read_bytes": lambda _, each: _bytes(each.io_in),
    "write_bytes": lambda _, each: _bytes(each.io_out),
    "cpus": lambda _, each: each.threads,
    "memory": lambda _, each: None if each.mem_mb is None else each.mem_mb * 1_000_000,
    "attempt": lambda _, each: each.attempt,
    "hostname": lambda _, each: each.node,
    "cause": lambda _, each: each.cause,
}


def rows(state: State) -> Iterator[dict[str, object]]:
    """Yield a row for each try, in the order in which they were given. None: not known."""
    for number, each in enumerate(state.tries.values(), 1):
        found = {name: column(number, each) for name, column in COLUMNS.items()}
        yield {name: None if value == "" else value for name, value in found.items()}


def table(state: State) -> Iterator[str]:
    """Yield the head and the rows, separated by tabs."""
    yield "\t".join(COLUMNS)
    for row in rows(state):
        yield "\t".join(map(_cell, row.values()))


def _cell(value: object) -> str:
    return UNKNOWN if value is None else " ".join(str(value).split())
