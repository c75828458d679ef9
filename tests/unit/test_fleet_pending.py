"""How long a pod that does not run may take."""

from dataclasses import replace

from byok8s.fleet.pending import GRACE_SECONDS, PendingPods
from byok8s.pods.cause import Cause
from byok8s.pods.outcome import GONE, Outcome, State

STUCK = Outcome(State.STUCK, "its image x cannot be pulled", cause=Cause.IMAGE_NOT_FOUND)
GIVEN_UP = replace(STUCK, state=State.FAILED, lingers=True)
PULLING = Outcome(State.WAITING, "its image x cannot be pulled", cause=Cause.IMAGE_NOT_FOUND)
UNPLACED = Outcome(State.UNPLACED, "no node takes it yet: 0/1 nodes", cause=Cause.UNSCHEDULABLE)
RUNNING = Outcome(State.RUNNING)


def test_a_stuck_pod_waits_for_the_grace_and_fails_though_nothing_new_is_read() -> None:
    pending = PendingPods(None)
    assert pending.see("pod", STUCK, 0).waits
    assert pending.overdue(GRACE_SECONDS - 1) == []
    assert pending.overdue(GRACE_SECONDS) == [("pod", GIVEN_UP)]


def test_a_stuck_pod_that_recovers_has_its_grace_again() -> None:
    pending = PendingPods(None)
    pending.see("pod", STUCK, 0)
    assert pending.see("pod", RUNNING, GRACE_SECONDS - 1) == RUNNING
    assert pending.see("pod", STUCK, GRACE_SECONDS + 1).waits
    assert pending.overdue(GRACE_SECONDS + 1) == []


def test_pulls_that_fail_again_and_again_are_one_wait() -> None:
    """As kubelets of 1.20 and 1.36 tell of them: each try is an ErrImagePull, between them is ImagePullBackOff."""
    pending = PendingPods(60)
    for now, found in ((0, PULLING), (20, STUCK), (40, PULLING)):
        assert pending.see("pod", found, now).waits
    assert pending.overdue(60) == []
    assert pending.see("pod", STUCK, 60) == GIVEN_UP


def test_a_pod_without_a_node_waits_without_end_unless_it_is_said_for_how_long() -> None:
    patient, short = PendingPods(None), PendingPods(60)
    for pending in (patient, short):
        assert pending.see("pod", UNPLACED, 0) == UNPLACED
    assert patient.overdue(61) == []
    ((name, found),) = short.overdue(61)
    assert (name, found.state, found.cause) == ("pod", State.FAILED, Cause.UNSCHEDULABLE)
    assert found.why == "its pod has waited for 1.02 min (--pending-timeout): no node takes it yet: 0/1 nodes"


def test_what_made_a_pod_go_is_remembered() -> None:
    pending = PendingPods(None)
    pending.see("pod", Outcome(State.RUNNING, "its pod had to make room", cause=Cause.PREEMPTED), 0)
    found = pending.gone("pod", GONE)
    assert (found.state, found.cause, found.why) == (
        State.FAILED,
        Cause.PREEMPTED,
        "its pod had to make room",
    )
    assert pending.gone("pod", GONE) == GONE
    assert pending.gone("never seen", GONE) == GONE


def test_that_a_pod_is_deleted_is_news_only_while_it_runs() -> None:
    pending = PendingPods(None)
    assert pending.has_ended("never seen")
    pending.see("pod", RUNNING, 0)
    assert not pending.has_ended("pod")
    pending.see("pod", Outcome(State.SUCCEEDED), 0)
    assert pending.has_ended("pod")
