"""How runs are, out of their records' events: in this folder, or in the bucket. No controller is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from byok8s import logs, run_record, s3
from byok8s.data import contents
from byok8s.errors import InputError
from byok8s.history import sizes
from byok8s.history.event import FILE, Event, parsed
from byok8s.history.sizes import Learned
from byok8s.history.state import State, Try, folded
from byok8s.history.workflow import Facts, is_same
from byok8s.s3 import prefix_lock
from byok8s.settings import Settings

LOOK_SECONDS: Final = 0.5
LOOK_IN_BUCKET_SECONDS: Final = 5.0  # into which a run puts its events every some seconds
AT_ONCE: Final = 8
LEARNS_FROM: Final = 5  # the newest runs of a workflow
LOOKED_AT: Final = 100  # of the newest runs, for those of a workflow
FIRST_BYTES: Final = 64 * 1024  # of a record, for its first event: a command may be long


@dataclass(frozen=True)
class Run:
    """A run as its record has it. alive: whether a controller is at work on it. now: in milliseconds since 1970."""

    record: run_record.Record
    state: State
    alive: bool
    now: int

    @property
    def id(self) -> str:
        return self.record.run

    def log(self, job: Try, most: int) -> Sequence[str]:
        """Return the last lines of a job's log, at most so many."""
        found = logs.ends(self.record, [job.name], most).get(job.name)
        return found[1] if found else []


@dataclass(frozen=True)
class Recorded:
    """The record of a run, with its events. alive, now: as of a Run."""

    record: run_record.Record
    alive: bool
    now: int

    def events(self) -> Iterator[Event]:
        return parsed(_events(self.record, 0))


def run(id_: str | None, said: Settings) -> Run:
    """Return a run, without its id the newest. said: where the bucket is, if flags say it.

    Raises InputError if there is no such run, or no events of it; BucketError for a bucket that cannot be used.
    """
    found = recorded(id_, said)
    return _read(found.record, alive=found.alive)


def recorded(id_: str | None, said: Settings) -> Recorded:
    """Return the record of a run, as `run` does."""
    record = run_record.record(id_, said, FILE)
    if not record.size(FILE):
        raise InputError(
            f"The record of run {record.run} has no events.",
            where=f"It is {record.place}, and has no {FILE}.",
            hint="An older version of byok8s has made it; `byok8s logs` shows its jobs.",
        )
    return Recorded(record, _is_alive(record, said), time.time_ns() // 1_000_000)


def is_at_work(id_: str, said: Settings) -> bool:
    """Return whether a controller is at work on a run, as far as this folder or the bucket knows."""
    return _is_alive(run_record.record(id_, said, FILE), said)


def listed(said: Settings, most: int) -> list[Run]:
    """Return the newest runs, the newest first: this folder's, or without any, or with --s3-bucket, the bucket's."""
    here = [] if run_record.names_another_bucket(said) else of_folder(most)
    return here or of_bucket(contents.place(said), most)


def of_folder(most: int) -> list[Run]:
    """Return the newest runs of this folder, the newest first."""
    newest = run_record.here_with(FILE)[-most:]
    return [_read(run_record.InFolder(each), alive=run_record.is_alive(each)) for each in reversed(newest)]


def of_bucket(bucket: s3.Bucket, most: int) -> list[Run]:
    """Return the newest runs of a bucket, the newest first. Raises BucketError for one that cannot be used."""
    s3.check_bucket(bucket)
    newest = run_record.ids_in(bucket)[-most:]
    alive = _at_work(bucket)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        records = threads.map(lambda each: run_record.in_bucket(bucket, each, FILE), reversed(newest))
        known = [record for record in records if record.files()]
        return list(threads.map(lambda record: _read(record, alive=record.run == alive), known))


def of_workflow(facts: Facts, bucket: s3.Bucket) -> list[Run]:
    """Return the newest runs that tell of a workflow, the newest first: this folder's, or without any the bucket's.

    facts: what its runs say as they start.
    """
    return _same(_here(), facts) or _same(_there(bucket), facts)


def of_newest_workflow(said: Settings) -> list[Run]:
    """Return the same of the workflow whose run is the newest. Where is looked is as for `listed`."""
    here = [] if run_record.names_another_bucket(said) else _same(_here())
    return here or _same(_there(contents.place(said)))


def _here() -> Iterator[run_record.Record]:
    return map(run_record.InFolder, reversed(run_record.here_with(FILE)))


def _there(bucket: s3.Bucket) -> Iterator[run_record.Record]:
    s3.check_bucket(bucket)
    return (run_record.in_bucket(bucket, each, FILE) for each in reversed(run_record.ids_in(bucket)))


def _same(newest: Iterator[run_record.Record], facts: Facts | None = None) -> list[Run]:
    """Return the newest runs of a workflow among these. facts: of it; None for the workflow of the first of them."""
    found: list[run_record.Record] = []
    newest = islice(newest, LOOKED_AT)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while len(found) < LEARNS_FROM and (some := list(islice(newest, AT_ONCE))):
            for record, own in zip(some, threads.map(_facts, some), strict=True):
                facts = facts or own
                found += [record] if is_same(own, facts) else []
        return list(threads.map(lambda each: _read(each, alive=False), found[:LEARNS_FROM]))


def _facts(record: run_record.Record) -> Facts:
    """Return what a run has said as it started; nothing if its record does not begin with that."""
    size = min(record.size(FILE), FIRST_BYTES)
    first = next(parsed(record.read(FILE, 0, size)), {}) if size else {}
    return first if first.get("event") == "run.started" else {}


def learned(found: Sequence[Run]) -> list[Learned]:
    """Return what runs tell of the sizes of rules."""
    return sizes.learned(each for run in found for each in run.state.tries.values())


def events(id_: str | None, said: Settings, tell: Callable[[Event], None], *, follow: bool) -> None:
    """Tell the events of a run, and if they are followed what comes until the run ends."""
    record = run_record.record(id_, said, FILE)
    told = 0
    while True:
        alive = follow and _is_alive(record, said)  # before what is read for the last time
        data = _events(record, told)
        whole = data.rfind(b"\n") + 1
        for event in parsed(data[:whole] if alive else data):
            tell(event)
        told += whole
        if not alive:
            return
        if isinstance(record, run_record.InBucket):
            time.sleep(LOOK_IN_BUCKET_SECONDS)
            record = run_record.in_bucket(contents.place(said), record.run, FILE)
        else:
            time.sleep(LOOK_SECONDS)


def _read(record: run_record.Record, *, alive: bool) -> Run:
    return Run(record, folded(parsed(_events(record, 0))), alive, time.time_ns() // 1_000_000)


def _events(record: run_record.Record, start: int) -> bytes:
    size = record.size(FILE)
    return record.read(FILE, start, size) if size > start else b""


def _is_alive(record: run_record.Record, said: Settings) -> bool:
    if isinstance(record, run_record.InBucket):
        return _at_work(contents.place(said)) == record.run
    return run_record.is_alive(record.run)


def _at_work(bucket: s3.Bucket) -> str | None:
    """Return the run that is at work on a bucket's prefix."""
    found = prefix_lock.holder(bucket)
    return found.run if found else None
