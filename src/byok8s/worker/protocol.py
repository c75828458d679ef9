"""What controller and worker say to each other: one JSON object a line, over one stream a worker.

controller to worker
    {"do": "run", "job": ID, "description": {...}, "precommand": COMMAND, "runtime": MINUTES or null,
     "logs": [PATH, ...]}
        description: a JobDescription of byok8s.worker.description; or {"bucket": NAME, "key": KEY} of the object that
        holds it, when it is longer than a line may be. A job that the worker knows already is not run again.
    {"do": "resume", "job": ID, "from": BYTE}
        Go on with this job's output, and then its end: first on a stream for a job that an earlier one began.
    {"do": "forget", "job": ID}     the result has arrived
    {"do": "ping"}
worker to controller
    {"is": "hello", "version": 7, "jobs": {ID: BOOLEAN, ...}}
        First on every stream, with the jobs that run (true) and those whose end has not been forgotten.
    {"is": "log", "job": ID, "text": OUTPUT, "to": BYTE}
        A piece of its output, and where the next begins: so a stream that is opened again loses nothing.
    {"is": "file", "job": ID, "path": PATH, "text": CONTENT, "first": BOOLEAN}
        A piece of one of the rule's log files, before the end of the job.
    {"is": "phase", "job": ID, "phase": NAME, "seconds": N}
        A phase of its that is over: fetch, run or store. Those that have not been told come with its end.
    {"is": "outage", "job": ID, "why": WORDS}
        S3 does not answer it, and it waits; without words S3 answers again. The end of a job ends its outage, too.
    {"is": "done", "job": ID, "code": N, "why": WORDS, "last_lines": TEXT, "cause": NAME, "stored": [{...}, ...],
     "left": [{...}, ...], "measured": {...}}
        stored: what is known of each object that it has put into the bucket, a Stored of byok8s.worker.description.
        left: files that no rule declares and that were not kept, by rule: a Left of byok8s.worker.description.
        measured: how long it took and what it used, a Measured of byok8s.worker.measured.
    {"is": "pong"}

A line that is no such object is passed over: a later version may say more. A version that is not ours ends the
worker's use, not the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from byok8s.worker.description import Left, Stored
from byok8s.worker.measured import UNKNOWN, Measured, from_json

VERSION = 7
LONGEST_LINE_BYTES = 4 * 1024 * 1024

Message = Mapping[str, object]


@dataclass(frozen=True)
class Result:
    """What became of a job. code: 0 for success. why: in a few words, when it is another. cause: the name of that, one
    of byok8s.pods.cause; one that is not known there is no fault. stored: what it has put into the bucket. left:
    what it has left that no rule declares, and that is lost. measured: how long it took, and what it used.
    """

    code: int
    why: str = ""
    last_lines: str = ""
    cause: str = ""
    stored: tuple[Stored, ...] = ()
    left: tuple[Left, ...] = ()
    measured: Measured = UNKNOWN


def line(message: Message) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"


def done(job: str, result: Result) -> Message:
    return {"is": "done", "job": job, **asdict(result)}


def result(message: object) -> Result | None:
    """The result in a `done` message; None if there is none."""
    if not isinstance(message, dict) or not isinstance(message.get("code"), int):
        return None
    words = (_text(message.get(name)) for name in ("why", "last_lines", "cause"))
    why, last_lines, cause = words
    return Result(
        message["code"],
        why,
        last_lines,
        cause,
        _stored(message.get("stored")),
        _left(message.get("left")),
        from_json(message.get("measured")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _stored(rows: object) -> tuple[Stored, ...]:
    try:
        return tuple(Stored(**row) for row in rows) if isinstance(rows, list) else ()
    except TypeError:
        return ()  # not known then, and asked for


def _left(rows: object) -> tuple[Left, ...]:
    try:
        found = [Left(**row) for row in rows] if isinstance(rows, list) else []
        return tuple(Left(str(of.rule), tuple(map(str, of.paths)), int(of.count)) for of in found)
    except (TypeError, ValueError):
        return ()


class Lines:
    """Puts messages together out of whatever pieces a stream brings."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. What is no message is left out, however long it is."""
        self._pending += data
        *whole, rest = self._pending.split(b"\n")
        # a line that long is no message: keep too much of it to be one, and no more
        self._pending = rest[: LONGEST_LINE_BYTES + 1]
        return [message for row in whole if len(row) <= LONGEST_LINE_BYTES if (message := _message(row))]


def _message(row: bytes | bytearray) -> Message | None:
    try:
        value = json.loads(row)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
