"""What is tried again, how often, and after how long."""

from dataclasses import replace

import pytest

from byok8s.fleet.retries import MOST_LOSSES, RetryPolicy
from byok8s.pods.cause import Cause, FailureKind
from byok8s.pods.manifest import Shape, Task
from byok8s.pods.outcome import Outcome, State

TASK = Task("abc", "sort", Shape(2, 1000))
OOM = Outcome(State.FAILED, "out of memory", cause=Cause.OUT_OF_MEMORY)


@pytest.mark.parametrize("cause", Cause)
def test_only_what_infrastructure_fails_is_tried_again(cause: Cause) -> None:
    again = RetryPolicy().again(TASK, Outcome(State.FAILED, "x", cause=cause))
    assert bool(again) is (cause.kind is FailureKind.INFRASTRUCTURE)


def test_the_pauses_grow_and_the_tries_end() -> None:
    task, pauses, ids = TASK, [], []
    while again := RetryPolicy().again(task, Outcome(State.FAILED, "x", cause=Cause.EVICTED)):
        task = again.task
        pauses.append(again.pause)
        ids.append(task.id)
    assert pauses == [1, 2, 4, 8, 16]
    assert ids == [f"abc-l{n}" for n in range(1, MOST_LOSSES + 1)]


def test_what_s3_fails_is_tried_again_once_as_each_try_has_waited_for_it() -> None:
    found = Outcome(State.FAILED, "x", cause=Cause.S3_UNREACHABLE)
    again = RetryPolicy().again(TASK, found)
    assert again
    assert RetryPolicy().again(again.task, found) is None


def test_memory_is_not_added_unasked() -> None:
    assert RetryPolicy().again(TASK, OOM) is None


def test_more_memory_each_time_as_often_as_asked() -> None:
    policy = RetryPolicy(oom_retries=2, oom_factor=1.5)
    first = policy.again(TASK, OOM)
    assert first
    second = policy.again(first.task, OOM)
    assert second
    assert (first.task.shape.mem_mb, second.task.shape.mem_mb) == (1500, 2250)
    assert (first.pause, first.task.id, second.task.id) == (0, "abc-m1", "abc-m2")
    assert policy.again(second.task, OOM) is None


def test_no_more_memory_than_the_largest_node_has() -> None:
    policy = RetryPolicy(oom_retries=9, oom_factor=4, largest_mb=1800)
    first = policy.again(TASK, OOM)
    assert first
    assert first.task.shape.mem_mb == 1800
    assert policy.again(first.task, OOM) is None


def test_a_rule_that_said_nothing_starts_from_the_default() -> None:
    again = RetryPolicy(oom_retries=1).again(Task("abc", "sort", Shape(1)), OOM)
    assert again
    assert again.task.shape.mem_mb == 1500


def test_both_kinds_of_tries_are_counted_apart() -> None:
    task = Task("abc", "sort", Shape(1), attempt=2, losses=1, ooms=3)
    assert task.id == "abc-1-l1-m3"


def test_a_job_that_ran_out_of_memory_in_a_larger_pod_gets_more_than_that_had() -> None:
    again = RetryPolicy(oom_retries=1, oom_factor=1.5).again(TASK, OOM, had_mb=1800)
    assert again
    assert (again.task.shape.mem_mb, again.why) == (
        2700,
        "It is tried again with 2700 MB instead of 1800 (1 of 1 times)",
    )


@pytest.mark.parametrize(
    ("adopted", "following"),
    [("abc", "abc-l1"), ("abc-l2", "abc-l3"), ("abc-1-l2-m1", "abc-l3-m1"), ("abc-lots-m", "abc-l1")],
)
def test_the_try_after_one_that_an_earlier_controller_began_has_an_id_of_its_own(
    adopted: str, following: str
) -> None:
    again = RetryPolicy().again(
        replace(TASK, adopted=adopted), Outcome(State.FAILED, "x", cause=Cause.EVICTED)
    )
    assert again
    assert again.task.id == following
