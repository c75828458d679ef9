"""The line that is said when a job ends."""

from __future__ import annotations

import pytest

from byok8s.history.ends import Ends
from byok8s.history.event import COMPLETE, EXECUTOR_ERROR, Event
from records import at, given

PLANNED = at(0, "run.planned", jobs={"sort": 2, "all": 1})
BEGAN = at(5, "job.began", id="a", pod="worker-0")


def said(*events: Event) -> list[str]:
    ends = Ends()
    return [line for event in events if (line := ends.line(event))]


def ended(second: float, job: str, state: str = COMPLETE, **facts: object) -> Event:
    return at(second, "job.ended", id=job, state=state, **facts)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            [BEGAN, ended(7, "a", pod="worker-0", node="n1", max_rss=81.6)],
            "1 of 3 jobs done: sort lane=2 sample=x, 2.0 s, 82 MB, on n1",
        ),
        (
            [BEGAN, ended(70, "a", pod="worker-0")],
            "1 of 3 jobs done: sort lane=2 sample=x, 1 min 5 s, on worker-0",
        ),
        ([ended(7, "a")], "1 of 3 jobs done: sort lane=2 sample=x"),
        (
            [
                BEGAN,
                ended(
                    7, "a", EXECUTOR_ERROR, pod="worker-0", node="n1", cause="exit-code", why="exit code 3"
                ),
            ],
            "0 of 3 jobs done; failed: sort lane=2 sample=x, 2.0 s, on n1: exit code 3",
        ),
    ],
)
def test_a_job_that_ends_is_a_line(more: list[Event], line: str) -> None:
    job = given(2, "a", wildcards={"lane": "2", "sample": "x"})
    assert said(PLANNED, at(1, "worker.created", pod="worker-0"), job, *more) == [line]


def test_another_try_of_a_job_is_no_more_jobs() -> None:
    lost = ended(6, "a", "SYSTEM_ERROR", why="its pod was evicted")
    lines = said(
        PLANNED, given(2, "a"), lost, given(7, "a-l1"), ended(8, "a-l1"), given(9, "b"), ended(10, "b")
    )
    assert [line[:16] for line in lines] == ["0 of 3 jobs done", "1 of 3 jobs done", "2 of 3 jobs done"]


def test_a_try_after_which_there_is_another_is_no_failed_job() -> None:
    once = ended(6, "a", EXECUTOR_ERROR, why="exit code 3", again=True)
    lines = said(
        PLANNED, given(2, "a"), once, given(7, "a-1"), ended(8, "a-1", EXECUTOR_ERROR, why="exit code 3")
    )
    assert lines == [
        "0 of 3 jobs done; is tried again: sort: exit code 3",
        "0 of 3 jobs done; failed: sort: exit code 3",
    ]


def test_the_jobs_of_a_checkpoint_and_of_a_group_count() -> None:
    group = given(3, "g", "group-1", rules=["split", "sort"])
    more = [given(4, job, "sort") for job in ("a", "b", "c")]
    lines = said(PLANNED, group, ended(4, "g"), *more, *(ended(5, job) for job in ("a", "b", "c")))
    assert lines[0] == "2 of 4 jobs done: group-1"
    assert lines[-1] == "5 of 6 jobs done: sort"


def test_an_end_that_nobody_has_given_is_no_line() -> None:
    assert said(PLANNED, at(1, "worker.gone", pod="w"), at(2, "run.ended", exit=0, state=COMPLETE)) == []
