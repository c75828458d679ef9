"""What the controller's core does at every event in every state: a row is an event, a column the state that it meets.

A cell has the commands, in their order; `-` stands for none. Late, repeated and reordered events are among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import pytest

from byok8s.fleet import commands, events
from byok8s.fleet.events import Event, LeftPod
from byok8s.fleet.fleet import Fleet, Options
from byok8s.fleet.retries import RetryPolicy
from byok8s.pods.manifest import Shape
from byok8s.pods.outcome import Outcome, State
from byok8s.worker.protocol import Result
from fleet_world import EVICTED, INVALID, NAMES, QUOTA, RUNNING, STUCK, SUCCEEDED, UNPLACED, task

SHAPE = Shape(1, 500)
POD = NAMES.worker_pod(0)
SINGLE = NAMES.job_pod("rule", "a")
MADE, GONE = events.PodMade(POD), events.PodGone(POD)
SEEN = events.PodSeen(POD, RUNNING)
PENDING = Outcome(State.WAITING)

States: TypeAlias = dict[str, tuple[Event, ...]]


def fleet(*, reuse: bool = True, limit: int = 2) -> Fleet:
    return Fleet(NAMES, Options(RetryPolicy(), limit, reuse, 600.0))


def given(job: str, shape: Shape = SHAPE) -> events.Submitted:
    return events.Submitted(task(job, shape))


def hello(**jobs: bool) -> events.Hello:
    return events.Hello(POD, jobs)


def done(job: str, code: int = 0) -> events.TaskDone:
    return events.TaskDone(POD, job, Result(code, "exit code", cause="exit-code" if code else ""))


def left(*, found: Outcome = RUNNING) -> events.Left:
    return events.Left((LeftPod(POD, found, 0, SHAPE),))


def words(command: commands.Command) -> str:
    """Say a command in a word or two; nothing for what only goes into the record."""
    match command:
        case commands.Report(of, _, found):
            return f"{of.job}:{'ok' if found.state is State.SUCCEEDED else 'failed'}"
        case commands.NoteEnded(of):
            return f"{of.job}:again"
        case commands.Run(_, of) | commands.Resume(_, of) | commands.KeepLog(_, of):
            return f"{type(command).__name__.lower()}-{of.id}"
        case commands.AwaitEnd(_, task_id) | commands.Forget(_, task_id):
            return f"{type(command).__name__.removesuffix('End').lower()}-{task_id}"
        case commands.NoteGiven() | commands.NoteBegan() | commands.NotePod() | commands.NoteIdle():
            return ""
        case commands.KeepEvents() | commands.Warn():
            return ""
    short = {
        "CreatePod": "create",
        "DeletePod": "del",
        "Disconnect": "cut",
        "AskOwner": "ask",
        "SayWhyItWaits": "say",
    }
    name = type(command).__name__
    return short.get(name, name.lower())


def did(fleet: Fleet, event: Event, now: float) -> str:
    return " ".join(filter(None, map(words, fleet.handle(event, now)))) or "-"


# -- workers: what became of the first one --

UP = (given("a"), MADE, SEEN, hello())
NEW_WORKERS: States = {
    "none": (),
    "asked": (given("a"),),
    "made": (given("a"), MADE),
    "unplaced": (given("a"), MADE, events.PodSeen(POD, UNPLACED)),
    "running": (given("a"), MADE, SEEN),
}
OLD_WORKERS: States = {
    "busy": UP,
    "idle": (*UP, done("a")),
    "adopted": (left(),),
    "earlier": (left(), hello(a=True)),
    "claimed": (left(), hello(a=True), given("a")),
    "kept": (left(), hello(a=False)),
    "lost": (*UP, events.PodSeen(POD, EVICTED)),
}
WORKER_EVENTS: Mapping[str, Event] = {
    "given a": given("a"),
    "given b": given("b"),
    "made": MADE,
    "refused": events.PodRefused(POD, INVALID),
    "no quota": events.PodRefused(POD, QUOTA),
    "pending": events.PodSeen(POD, PENDING),
    "unplaced": events.PodSeen(POD, UNPLACED),
    "stuck": events.PodSeen(POD, STUCK),
    "runs": SEEN,
    "leaves": events.PodSeen(POD, RUNNING, leaving=True),
    "evicted": events.PodSeen(POD, EVICTED),
    "ended well": events.PodSeen(POD, SUCCEEDED),
    "gone": GONE,
    "hello": hello(),
    "hello a": hello(a=True),
    "hello a.": hello(a=False),
    "done a": done("a"),
    "failed a": done("a", 1),
    "done b": done("b"),
    "unusable": events.Unusable(POD, "skew"),
    "tick": events.Tick(),
    "closed": events.Closed(),
}
NEW_TABLE = """
           | none   | asked          | made           | unplaced       | running
given a    | create | create         | create         | create         | create
given b    | create | create         | create         | create         | create
made       | del    | -              | -              | -              | -
refused    | -      | a:failed       | -              | -              | -
no quota   | -      | say            | -              | -              | -
pending    | -      | -              | -              | -              | -
unplaced   | -      | say            | say            | -              | -
stuck      | -      | say            | say            | del a:failed   | -
runs       | -      | connect        | connect        | connect        | -
leaves     | -      | ask            | ask            | ask            | ask
evicted    | -      | a:again        | a:again        | a:again        | cut create
ended well | -      | a:again        | a:again        | a:again        | cut create
gone       | -      | a:again        | a:again        | ask            | ask
hello      | -      | run-a          | run-a          | run-a          | run-a
hello a    | -      | await-a create | await-a create | await-a create | await-a create
hello a.   | -      | forget-a run-a | forget-a run-a | forget-a run-a | forget-a run-a
done a     | -      | -              | -              | -              | -
failed a   | -      | -              | -              | -              | -
done b     | -      | -              | -              | -              | -
unusable   | -      | del a:again    | del a:again    | del a:again    | del cut create
tick       | -      | -              | -              | -              | -
closed     | -      | -              | -              | -              | cut
"""
OLD_TABLE = """
           | busy              | idle     | adopted | earlier  | claimed           | kept     | lost
given a    | create            | run-a    | -       | resume-a | create            | resume-a | create create
given b    | create            | run-b    | -       | create   | create            | run-b    | create create
made       | -                 | -        | -       | -        | -                 | -        | del create
refused    | -                 | -        | -       | -        | -                 | -        | create
no quota   | -                 | -        | -       | -        | -                 | -        | create
pending    | -                 | -        | -       | -        | -                 | -        | create
unplaced   | -                 | -        | say     | say      | say               | say      | create
stuck      | -                 | -        | say     | say      | say               | say      | create
runs       | -                 | -        | -       | -        | -                 | -        | create
leaves     | ask               | ask      | ask     | ask      | ask               | ask      | create
evicted    | cut a:again       | cut      | cut     | cut      | cut a:again       | cut      | create
ended well | cut a:again       | cut      | cut     | cut      | cut a:again       | cut      | create
gone       | ask               | ask      | cut     | cut      | cut a:again       | cut      | create
hello      | run-a             | -        | -       | -        | a:again           | -        | create
hello a    | resume-a          | await-a  | await-a | await-a  | resume-a          | await-a  | create
hello a.   | resume-a          | forget-a | -       | await-a  | resume-a          | -        | create
done a     | a:ok forget-a     | -        | -       | -        | a:ok forget-a     | -        | create
failed a   | a:failed forget-a | -        | -       | -        | a:failed forget-a | -        | create
done b     | -                 | -        | -       | -        | -                 | -        | create
unusable   | del cut a:again   | del cut  | del cut | del cut  | del cut a:again   | del cut  | create
tick       | -                 | -        | del cut | -        | -                 | -        | create
closed     | cut               | cut      | cut     | cut      | cut               | cut      | -
"""


# -- single pods --

ASKED = (given("a"),)
S_MADE, S_SEEN = events.PodMade(SINGLE), events.PodSeen(SINGLE, RUNNING)
SINGLES: States = {
    "none": (),
    "asked": ASKED,
    "made": (*ASKED, S_MADE),
    "running": (*ASKED, S_MADE, S_SEEN),
    "no quota": (*ASKED, events.PodRefused(SINGLE, QUOTA)),
    "collecting": (*ASKED, S_MADE, events.PodSeen(SINGLE, SUCCEEDED)),
    "left": (events.Left((LeftPod(SINGLE, RUNNING, task_id="a"),)),),
    "done": (events.Left((LeftPod(SINGLE, SUCCEEDED, task_id="a"),)),),
    "bad": (events.Left((LeftPod(SINGLE, EVICTED, task_id="a"),)),),
}
SINGLE_EVENTS: Mapping[str, Event] = {
    "given a": given("a"),
    "given b": given("b"),
    "made": S_MADE,
    "refused": events.PodRefused(SINGLE, INVALID),
    "no quota": events.PodRefused(SINGLE, QUOTA),
    "unplaced": events.PodSeen(SINGLE, UNPLACED),
    "stuck": events.PodSeen(SINGLE, STUCK),
    "runs": S_SEEN,
    "leaves": events.PodSeen(SINGLE, RUNNING, leaving=True),
    "evicted": events.PodSeen(SINGLE, EVICTED),
    "ended well": events.PodSeen(SINGLE, SUCCEEDED),
    "gone": events.PodGone(SINGLE),
    "log kept": events.LogKept(SINGLE),
    "tick": events.Tick(),
    "closed": events.Closed(),
}
SINGLE_TABLE = """
           | none   | asked       | made        | running     | no quota | collecting | left   | done      | bad
given a    | create | create      | create      | create      | create   | create     | -      | keeplog-a | create
given b    | create | create      | create      | create      | create   | create     | create | create    | create
made       | del    | -           | -           | -           | del      | -          | -      | -         | del
refused    | -      | a:failed    | -           | -           | -        | -          | -      | -         | -
no quota   | -      | a:failed    | -           | -           | -        | -          | -      | -         | -
unplaced   | -      | say         | say         | -           | -        | -          | say    | say       | -
stuck      | -      | say         | say         | -           | -        | -          | say    | say       | -
runs       | -      | -           | -           | -           | -        | -          | -      | -         | -
leaves     | -      | ask         | ask         | ask         | -        | -          | ask    | ask       | -
evicted    | -      | a:again del | a:again del | a:again del | -        | -          | -      | -         | -
ended well | -      | keeplog-a   | keeplog-a   | keeplog-a   | -        | -          | -      | -         | -
gone       | -      | a:again     | a:again     | ask         | -        | -          | -      | -         | -
log kept   | -      | -           | -           | -           | -        | a:ok del   | -      | -         | -
tick       | -      | -           | -           | -           | create   | -          | -      | -         | -
closed     | -      | -           | -           | -           | -        | -          | -      | -         | -
"""


def cells(table: str) -> list[tuple[str, str, str]]:
    """Return event, state and expected commands of each cell."""
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return [(row[0], state, cell) for row in rows for state, cell in zip(head[1:], row[1:], strict=True)]


def outcome_of(states: States, happening: Mapping[str, Event], event: str, state: str, *, reuse: bool) -> str:
    made = fleet(reuse=reuse)
    for before in states[state]:
        made.handle(before, 0.0)
    return did(made, happening[event], 35.0)


@pytest.mark.parametrize(("event", "state", "expected"), cells(NEW_TABLE) + cells(OLD_TABLE))
def test_workers(event: str, state: str, expected: str) -> None:
    assert outcome_of(NEW_WORKERS | OLD_WORKERS, WORKER_EVENTS, event, state, reuse=True) == expected


@pytest.mark.parametrize(("event", "state", "expected"), cells(SINGLE_TABLE))
def test_single_pods(event: str, state: str, expected: str) -> None:
    assert outcome_of(SINGLES, SINGLE_EVENTS, event, state, reuse=False) == expected


def test_the_tables_are_complete() -> None:
    for table, states, happening in (
        (NEW_TABLE, NEW_WORKERS, WORKER_EVENTS),
        (OLD_TABLE, OLD_WORKERS, WORKER_EVENTS),
        (SINGLE_TABLE, SINGLES, SINGLE_EVENTS),
    ):
        assert {cell[:2] for cell in cells(table)} == {
            (event, state) for event in happening for state in states
        }
