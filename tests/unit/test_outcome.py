"""A pod's status, and what is said of it."""

import json

import pytest

from byok8s.executor.outcome import State, outcome
from byok8s.kube.json import Json


def pod(phase: str, container: dict[str, Json] | None = None, **status: Json) -> dict[str, Json]:
    states: list[Json] = [{"state": container}] if container else []
    resources: Json = {"limits": {"memory": "256M"}}
    return {
        "spec": {
            "nodeName": "node-1",
            "activeDeadlineSeconds": 120,
            "containers": [{"resources": resources}],
        },
        "status": {"phase": phase, "containerStatuses": states, **status},
    }


def terminated(code: int, reason: str = "Error", message: str = "") -> dict[str, Json]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


DELETED: dict[str, Json] = {"metadata": {"deletionTimestamp": "2026-11-22T20:00:00Z"}}
WORD = json.dumps({"why": "exit code 3", "last_lines": "one\ntwo"})
UNSCHEDULABLE: Json = [
    {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes: Insufficient cpu.",
    }
]


@pytest.mark.parametrize(
    ("status", "state", "why"),
    [
        (pod("Running"), State.RUNNING, ""),
        (pod("Succeeded", terminated(0, "Completed")), State.SUCCEEDED, ""),
        (pod("Failed", terminated(3, message=WORD)), State.FAILED, "exit code 3"),
        (pod("Failed", terminated(137)), State.FAILED, "exit code 137"),
        (pod("Failed", terminated(137, "OOMKilled")), State.FAILED, "limit of 256M (OOMKilled)"),
        (pod("Failed", reason="DeadlineExceeded"), State.FAILED, "runtime allows (2 min)"),
        (pod("Failed", reason="Evicted", message="low on disk"), State.FAILED, "Evicted: low on disk"),
        (pod("Failed"), State.FAILED, "no exit code"),
        (pod("Pending"), State.WAITING, ""),
        (pod("Pending", conditions=UNSCHEDULABLE), State.WAITING, "no node takes it yet: 0/1 nodes"),
        (pod("Pending", {"waiting": {"reason": "ContainerCreating"}}), State.WAITING, ""),
        (pod("Pending", {"waiting": {"reason": "ErrImagePull", "message": "x"}}), State.WAITING, ""),
        (
            pod("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
            State.FAILED,
            "ImagePullBackOff: no such image",
        ),
        (
            pod("Pending", {"waiting": {"reason": "InvalidImageName", "message": "x"}}),
            State.FAILED,
            "InvalidImageName",
        ),
        (pod("Failed", terminated(143)) | DELETED, State.FAILED, "its pod was deleted"),
        ({}, State.WAITING, ""),
    ],
)
def test_outcome(status: dict[str, Json], state: State, why: str) -> None:
    found = outcome(status)
    assert found.state is state
    assert why in found.why
    assert bool(why) == bool(found.why)


def test_the_workers_last_lines_come_with_the_status() -> None:
    assert outcome(pod("Failed", terminated(3, message=WORD))).last_lines == "one\ntwo"


@pytest.mark.parametrize("message", ["python: not found", '["x"]', '{"why": 1}'])
def test_a_message_that_is_not_the_workers_breaks_nothing(message: str) -> None:
    assert outcome(pod("Failed", terminated(127, message=message))).why == "exit code 127"


def test_only_a_container_that_has_run_has_a_log() -> None:
    assert outcome(pod("Failed", terminated(1))).has_log
    assert not outcome(pod("Failed", reason="Evicted")).has_log
