"""What the page's scripts draw from: the tries as columns, and what they refer to. Small, as there may be 100,000."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Sequence

from byok8s.history.state import Try
from byok8s.report.figures import Figures
from byok8s.report.workers import Worker
from byok8s.shown import visible

UNKNOWN = -1  # in all columns but exit codes: no other has a negative number


class _Names:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers)) if text else UNKNOWN

    def texts(self) -> list[str]:
        return [visible(text) for text in self.numbers]


def packed(found: Figures) -> str:
    """Return the data as JSON, deflated, as base64."""
    plain = json.dumps(columns(found), separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(plain, 9)).decode()


def columns(found: Figures) -> dict[str, object]:
    """Return the data. Times are in hundredths of a second from the run's beginning, memory is in MB."""
    rules, states, causes, nodes = _Names(), _Names(), _Names(), _Names()
    workers = _Names()
    for worker in found.workers:
        workers.number(worker.pod)
    tries = list(found.tries.values())
    given = [_hundredths((each.given or found.first) - found.first) for each in tries]
    table = {
        "rule": [rules.number(each.rule) for each in tries],
        "wildcards": [visible(", ".join(f"{k}={v}" for k, v in each.wildcards.items())) for each in tries],
        "id": [visible(each.id) for each in tries],
        "worker": [workers.number(each.pod) for each in tries],
        "node": [nodes.number(each.node) for each in tries],
        "state": [states.number(each.state) for each in tries],
        "cause": [causes.number(each.cause) for each in tries],
        "exit": [each.exit for each in tries],
        "attempt": [each.attempt for each in tries],
        "given": _differences(given),
        "waited": [_since(each, each.given, each.began) for each in tries],
        "lasted": [
            _since(each, each.began, each.ended if each.ended is not None else found.until) for each in tries
        ],
        "fetch": _known(tries, "fetch"),
        "run": _known(tries, "run"),
        "store": _known(tries, "store"),
        "threads": [UNKNOWN if each.threads is None else each.threads for each in tries],
        "asked": [UNKNOWN if each.mem_mb is None else each.mem_mb for each in tries],
        "peak": [UNKNOWN if each.max_rss is None else round(each.max_rss, 1) for each in tries],
        "read": [UNKNOWN if each.io_in is None else round(each.io_in, 1) for each in tries],
        "written": [UNKNOWN if each.io_out is None else round(each.io_out, 1) for each in tries],
        "cpu": [UNKNOWN if each.cpu_time is None else round(each.cpu_time, 2) for each in tries],
    }
    return {
        "run": found.run,
        "first": found.first,
        "length": _hundredths(found.until - found.first),
        "rules": rules.texts(),
        "states": states.texts(),
        "causes": causes.texts(),
        "nodes": nodes.texts(),
        "workers": workers.texts(),
        "lives": [_life(found, worker) for worker in found.workers],
        "tries": table,
        "cores": [found.cores.step, found.cores.reserved, found.cores.asked, found.cores.used],
    }


def _life(found: Figures, worker: Worker) -> list[int]:
    marks = (worker.created, worker.scheduled, worker.started, worker.ready, worker.gone)
    return [*(_hundredths(mark - found.first) for mark in marks), worker.threads or 0]


def _known(tries: Iterable[Try], phase: str) -> list[int]:
    return [_hundredths(each.seconds[phase] * 1000) if phase in each.seconds else UNKNOWN for each in tries]


def _since(each: Try, begin: int | None, end: int | None) -> int:
    if begin is None or end is None or each.began is None:
        return UNKNOWN
    return _hundredths(max(0, end - begin))


def _hundredths(milliseconds: float) -> int:
    return round(milliseconds / 10)


def _differences(values: Sequence[int]) -> list[int]:
    return [value - before for value, before in zip(values, (0, *values), strict=False)]
