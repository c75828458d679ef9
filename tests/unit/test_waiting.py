"""How long a pod that does not run is borne."""

import pytest

from byok8s.executor.cause import Cause
from byok8s.executor.outcome import GONE, Outcome, State
from byok8s.executor.waiting import GRACE_SECONDS, Waiting

STUCK = Outcome(State.FAILED, "its image x cannot be pulled", stuck=True, cause=Cause.IMAGE_NOT_FOUND)
PULLING = Outcome(State.WAITING, "its image x cannot be pulled", cause=Cause.IMAGE_NOT_FOUND)
UNPLACED = Outcome(State.WAITING, "no node takes it yet: 0/1 nodes", unplaced=True, cause=Cause.UNSCHEDULABLE)
RUNNING = Outcome(State.RUNNING)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def test_a_stuck_pod_waits_for_the_grace_and_fails_though_nothing_new_is_read(clock: Clock) -> None:
    waiting = Waiting(None)
    assert waiting.see("pod", STUCK).state is State.WAITING
    clock.now += GRACE_SECONDS - 1
    assert waiting.overdue() == []
    clock.now += 1
    assert waiting.overdue() == [("pod", STUCK)]


def test_a_stuck_pod_that_recovers_has_its_grace_anew(clock: Clock) -> None:
    waiting = Waiting(None)
    waiting.see("pod", STUCK)
    clock.now += GRACE_SECONDS - 1
    assert waiting.see("pod", RUNNING) == RUNNING
    clock.now += 2
    assert waiting.see("pod", STUCK).state is State.WAITING
    assert waiting.overdue() == []


def test_pulls_that_fail_again_and_again_are_one_wait(clock: Clock) -> None:
    """As kubelets of 1.20 and 1.36 tell of them: each try is an ErrImagePull, between them is ImagePullBackOff."""
    waiting = Waiting(60)
    for found in (PULLING, STUCK, PULLING):
        assert waiting.see("pod", found).state is State.WAITING
        clock.now += 20
    assert waiting.overdue() == []
    assert waiting.see("pod", STUCK) == STUCK


def test_a_pod_without_a_node_waits_without_end_unless_it_is_said_for_how_long(clock: Clock) -> None:
    patient, short = Waiting(None), Waiting(60)
    for waiting in (patient, short):
        assert waiting.see("pod", UNPLACED) == UNPLACED
    clock.now += 61
    assert patient.overdue() == []
    ((name, found),) = short.overdue()
    assert (name, found.state, found.cause) == ("pod", State.FAILED, Cause.UNSCHEDULABLE)
    assert found.why == "no node took its pod for 1.02 min (--pending-timeout): 0/1 nodes"


def test_what_made_a_pod_go_is_remembered(clock: Clock) -> None:
    waiting = Waiting(None)
    waiting.see("pod", Outcome(State.RUNNING, "its pod had to make room", cause=Cause.PREEMPTED))
    found = waiting.gone("pod", GONE)
    assert (found.state, found.cause, found.why) == (
        State.FAILED,
        Cause.PREEMPTED,
        "its pod had to make room",
    )
    assert waiting.gone("pod", GONE) == GONE
    assert waiting.gone("never seen", GONE) == GONE
