"""What is known of a run after its events."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from byok8s.history import status, trace
from byok8s.history.event import Event, line, parsed
from byok8s.history.state import State, fold, folded

START = 1_767_225_600_000  # 2026-01-01
A, B, POD = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "worker-0"


def at(second: float, name: str, /, **facts: object) -> Event:
    (event,) = parsed(line(START + round(second * 1000), name, facts))
    return event


def given(second: float, job: str, rule: str = "sort", **facts: object) -> Event:
    own = {"job": job[:12], "name": f"{rule}-{job}", "attempt": 1, "threads": 1}
    return at(second, "job.given", **{"id": job, "rule": rule, **own, **facts})


STARTED = at(0, "run.started", run="r", resumed=False)
PLANNED = at(1, "run.planned", jobs={"sort": 2, "all": 1})
CREATED = at(1, "worker.created", pod=POD, threads=2, mem_mb=500)
BEGAN = at(5, "job.began", id=A, pod=POD)
GIVEN = (STARTED, PLANNED, CREATED, given(2, A))
DONE = at(9, "job.ended", id=A, state="COMPLETE", exit=0, pod=POD, node="n")
FAILED = at(
    9, "job.ended", id=A, state="EXECUTOR_ERROR", exit=3, cause="exit-code", why="exit code 3", pod=POD
)
LOST = at(9, "job.ended", id=A, state="SYSTEM_ERROR", cause="evicted", why="its pod was evicted", pod=POD)
AGAIN = given(10, f"{A}-l1", attempt=2)


def counts(state: State) -> Mapping[str, tuple[int, int, int, int, int]]:
    """Total, done, running, waiting and failed of each rule."""
    return {r.name: (r.total, r.done, r.running, r.waiting, r.failed) for r in status.rules(state)}


@pytest.mark.parametrize(
    ("events", "sort"),
    [
        ((STARTED, PLANNED), (2, 0, 0, 2, 0)),
        (GIVEN, (2, 0, 0, 2, 0)),
        ((*GIVEN, BEGAN), (2, 0, 1, 1, 0)),
        ((*GIVEN, BEGAN, DONE), (2, 1, 0, 1, 0)),
        ((*GIVEN, BEGAN, FAILED), (2, 0, 0, 1, 1)),
        ((*GIVEN, BEGAN, LOST, AGAIN), (2, 0, 0, 2, 0)),
        (
            (*GIVEN, BEGAN, AGAIN, LOST),
            (2, 0, 0, 2, 0),
        ),  # the end of a try may be noted after the next is given
        ((*GIVEN, BEGAN, LOST, AGAIN, at(11, "job.began", id=f"{A}-l1")), (2, 0, 1, 1, 0)),
        ((*GIVEN, BEGAN, DONE, BEGAN), (2, 1, 0, 1, 0)),
        ((*GIVEN, given(3, B), at(4, "job.ended", id=B, state="COMPLETE"), BEGAN), (2, 1, 1, 0, 0)),
        ((*GIVEN, BEGAN, at(20, "run.ended", exit=130, state="CANCELED")), (2, 0, 0, 2, 0)),
    ],
)
def test_the_jobs_of_a_rule(events: tuple[Event, ...], sort: tuple[int, ...]) -> None:
    state = folded(events)
    assert counts(state)["sort"] == sort
    assert counts(state)["all"] == (1, 0, 0, 1, 0)


def test_what_was_known_does_not_change_for_whoever_has_it() -> None:
    state = folded(GIVEN)
    before, worker = state.tries[A], state.workers[POD]
    for event in (BEGAN, at(6, "job.fetched", id=A, seconds=1), DONE):
        fold(state, event)
    assert (before.state, before.seconds, worker.phase) == ("", {}, "created")
    assert (state.tries[A].state, state.tries[A].seconds, state.workers[POD].phase) == (
        "COMPLETE",
        {"fetch": 1},
        "busy",
    )
    with pytest.raises(AttributeError):
        before.state = "COMPLETE"  # type: ignore[misc]


API = at(10, "api.away", why="connection refused")
S3 = at(12, "s3.away", why="HTTP status 503")
FROM_POD = at(11, "s3.away", pod=POD, why="ConnectTimeoutError")
ALIVE = (*GIVEN, BEGAN)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (ALIVE, []),
        ((*ALIVE, API), ["The Kubernetes API has not answered for 20 s: connection refused. Jobs go on."]),
        ((*ALIVE, API, at(15, "api.back")), []),
        ((*ALIVE, S3), ["S3 has not answered for 18 s: HTTP status 503. It is waited for."]),
        ((*ALIVE, S3, at(13, "s3.away", why="HTTP status 500"), at(15, "s3.back")), []),
        (
            (*ALIVE, FROM_POD),
            ["S3 has not answered 1 worker for 19 s: ConnectTimeoutError. It is waited for."],
        ),
        (
            (*ALIVE, FROM_POD, at(14, "s3.away", pod="worker-1", why="HTTP status 503"), at(15, "s3.back")),
            ["S3 has not answered 2 workers for 19 s: ConnectTimeoutError. It is waited for."],
        ),
        ((*ALIVE, FROM_POD, at(15, "s3.back", pod=POD)), []),
        ((*ALIVE, FROM_POD, at(15, "job.ended", id=A, state="SYSTEM_ERROR", pod=POD)), []),
        ((*ALIVE, FROM_POD, at(15, "worker.gone", pod=POD)), []),
        ((*ALIVE, API, S3, at(15, "run.started", run="r", resumed=True)), []),
        ((*ALIVE, API, S3, at(15, "run.ended", exit=1, state="SYSTEM_ERROR")), []),
    ],
)
def test_what_does_not_answer_is_said_first(events: tuple[Event, ...], said: list[str]) -> None:
    state = folded(events)
    assert list(status.lines("r", state, START + 30_000, alive=True))[1 : 1 + len(said)] == said
    assert len(status.away(state, START + 30_000)) == len(said)
    away = status.as_json("r", state, START + 30_000, alive=True)["away"]
    assert isinstance(away, list)
    assert bool(away) == bool(said)


def test_a_run_that_goes_on_plans_what_is_left() -> None:
    """A job under way is given once more under its id, and has run all the time."""
    again = (
        at(20, "run.started", run="r", resumed=True),
        at(21, "run.planned", jobs={"sort": 1, "all": 1}),
        given(22, B),
        at(22, "job.began", id=B, pod=POD),
    )
    first = (*GIVEN, BEGAN, DONE, given(6, B), at(7, "job.began", id=B, pod=POD))
    state = folded((*first, *again))
    assert counts(state) == {"sort": (2, 1, 1, 0, 0), "all": (1, 0, 0, 1, 0)}
    assert state.tries[B].began == START + 7000
    assert state.facts["time"] == "2026-01-01T00:00:00.000Z"


def test_a_job_that_is_given_again_by_another_controller_comes_after_what_each_says() -> None:
    first = given(2, B, after=["group"])
    state = folded(
        (STARTED, first, at(3, "job.began", id=B, pod=POD), given(22, B, after=["member", "group"]))
    )
    assert state.tries[B].after == ("group", "member")
    assert folded((STARTED, given(2, B))).tries[B].after is None


def test_the_jobs_of_a_group_count_for_their_rules() -> None:
    group = given(2, A, "group-1", rules=["sort", "sort", "map"])
    state = folded((STARTED, at(1, "run.planned", jobs={"sort": 2, "map": 1}), group, BEGAN))
    assert counts(state) == {"sort": (2, 0, 2, 0, 0), "map": (1, 0, 1, 0, 0)}


def test_what_a_checkpoint_adds_counts() -> None:
    state = folded((STARTED, at(1, "run.planned", jobs={"first": 1}), given(2, A), BEGAN))
    assert counts(state)["sort"] == (1, 0, 1, 0, 0)


WORKERS = [
    (CREATED, "created"),
    (at(2, "worker.waits", pod=POD, cause="unschedulable", why="no node takes it yet"), "waits"),
    (at(3, "worker.scheduled", pod=POD, node="n"), "scheduled"),
    (at(4, "worker.started", pod=POD, node="n"), "started"),
    (at(5, "worker.idle", pod=POD), "idle"),
    (BEGAN, "busy"),
    (at(7, "worker.started", pod=POD, node="n", cause="node-lost", why="nothing is heard"), "busy"),
    (at(8, "worker.gone", pod=POD), "gone"),
]


@pytest.mark.parametrize("until", range(1, len(WORKERS) + 1))
def test_the_phases_of_a_worker(until: int) -> None:
    state = folded([STARTED, *(event for event, _ in WORKERS[:until])])
    assert state.workers[POD].phase == WORKERS[until - 1][1]
    assert (state.workers[POD].threads, state.workers[POD].mem_mb) == (2, 500)
    assert bool(status.workers(state)) == (state.workers[POD].phase != "gone")


def test_a_later_versions_event_changes_nothing() -> None:
    before = folded((*GIVEN, BEGAN))
    after = folded((*GIVEN, BEGAN, at(30, "moon.rose", id=A), at(31, "job.flew", id=A), at(32, "job.ended")))
    assert (after.tries, after.workers) == (before.tries, before.workers)


def test_lines_for_people() -> None:
    waits = WORKERS[1][0]
    events = (*GIVEN, waits, given(3, B), at(6, "job.began", id=B, pod="worker-1"), BEGAN, FAILED)
    assert list(status.lines("r", folded(events), START + 68_000, alive=True)) == [
        "r: running, 0 of 3 jobs done, 1 failed, 1 min 8 s",
        "",
        "RULE  DONE  RUNNING  WAITING  FAILED  MEDIAN",
        "sort   0/2        1        -       1       -",
        "all    0/1        -        1       -       -",
        "",
        "Running:",
        "   1 min 2 s  sort-bbbbbbbbbbbb  on worker-1",
        "",
        "Workers:",
        "  1 worker with 2 threads and 500 MB: busy, 1 min 3 s",
        "",
        "Failures:",
        "  sort-aaaaaaaaaaaa: exit code 3 (exit-code)",
        "    More: byok8s logs r sort-aaaaaaaaaaaa",
    ]


def test_why_a_worker_waits() -> None:
    said = "\n".join(status.lines("r", folded((*GIVEN, WORKERS[1][0])), START + 12_000, alive=True))
    assert "1 worker with 2 threads and 500 MB: waiting for a node: no node takes it yet, 10 s" in said


def test_a_run_whose_controller_was_killed_lasts_until_it_was_last_heard_of() -> None:
    state = folded((*GIVEN, BEGAN))
    first, *_, last = status.lines("r", state, START + 3_600_000, alive=False)
    assert first == "r: its controller is gone; the same command goes on with it, 0 of 3 jobs done, 5.0 s"
    assert status.as_json("r", state, START, alive=False)["state"] == "LOST"
    assert "busy" in last


def test_thousands_of_failures_are_counted() -> None:
    jobs = [f"{n:012x}" for n in range(10_000)]
    ends = [at(3, "job.ended", id=job, state="EXECUTOR_ERROR", why="exit code 1") for job in jobs]
    state = folded([STARTED, *(given(2, job) for job in jobs), *ends])
    said = list(status.lines("r", state, START + 4000, alive=True))
    assert said[-1] == "  and 9980 more"
    assert len(said) < 60
    found = status.as_json("r", state, START + 4000, alive=True)["failures"]
    assert isinstance(found, list)
    assert len(found) == 10_000


def test_the_trace() -> None:
    phases = [
        at(9, f"job.{name}", id=A, seconds=n)
        for name, n in (("fetched", 0.5), ("ran", 2.25), ("stored", 0.25))
    ]
    end = at(
        9,
        "job.ended",
        id=A,
        state="COMPLETE",
        exit=0,
        pod=POD,
        node="n",
        max_rss=1.5,
        cpu_time=4.5,
        io_in=0,
        io_out=2,
    )
    events = (*GIVEN[:3], given(2, A, wildcards={"s": "x\ty"}, mem_mb=100), BEGAN, *phases, end, given(9, B))
    head, one, two = (row.split("\t") for row in trace.table(folded(events)))
    assert dict(zip(head, one, strict=True)) == {
        "task_id": "1",
        "hash": A,
        "native_id": POD,
        "process": "sort",
        "tag": "s=x y",
        "name": "sort (s=x y)",
        "status": "COMPLETED",
        "exit": "0",
        "submit": "2026-01-01 00:00:02.000",
        "start": "2026-01-01 00:00:05.000",
        "complete": "2026-01-01 00:00:09.000",
        "duration": "7000",
        "realtime": "2250",
        "%cpu": "150.0",
        "peak_rss": "1572864",
        "read_bytes": "0",
        "write_bytes": "2097152",
        "cpus": "1",
        "memory": "100000000",
        "attempt": "1",
        "hostname": "n",
        "cause": "-",
    }
    assert dict(zip(head, two, strict=True))["status"] == "SUBMITTED"
    assert dict(zip(head, two, strict=True))["start"] == "-"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("EXECUTOR_ERROR", "FAILED"),
        ("SYSTEM_ERROR", "FAILED"),
        ("COMPLETE", "COMPLETED"),
        ("CANCELED", "ABORTED"),
    ],
)
def test_the_status_in_a_trace(state: str, said: str) -> None:
    (row,) = trace.rows(folded((*GIVEN, at(9, "job.ended", id=A, state=state))))
    assert row["status"] == said


def test_of_a_record_without_a_start_no_end_is_missed() -> None:
    """Plain Snakemake's, with the executor: it notes jobs and pods."""
    assert status.word(folded((given(2, A), BEGAN)), alive=False) == ""
