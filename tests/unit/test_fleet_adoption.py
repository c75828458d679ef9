"""What an earlier controller has left at work, and who gets it."""

import json
from dataclasses import asdict

from byok8s.fleet.adoption import ANSWER_SECONDS, Adoption, left
from byok8s.kube.objects import Object
from byok8s.pods.manifest import Shape, Task

SHAPE = Shape(2, 500, said='{"spec": {}}')


def pod(
    number: int, phase: str = "Running", message: str = "", shape: str | None = None, code: int = 0
) -> Object:
    ended: Object = {"terminated": {"message": message, "exitCode": code}}
    return {
        "metadata": {
            "name": f"worker-{number}",
            "labels": {"byok8s.io/worker": str(number)},
            "annotations": {"byok8s.io/shape": json.dumps(asdict(SHAPE)) if shape is None else shape},
        },
        "status": {
            "phase": phase,
            "containerStatuses": [{"state": {"running": {}} if phase == "Running" else dict(ended)}],
        },
    }


def task(job: str) -> Task:
    return Task(job, "sort", SHAPE)


def find(adoption: Adoption, *pods: Object) -> list[tuple[str, Shape]]:
    return list(adoption.find([left(pod) for pod in pods], now=0.0))


def test_running_workers_are_found_with_their_shape() -> None:
    adoption = Adoption()
    single: Object = {"metadata": {"name": "of a single task"}}
    assert find(adoption, pod(3), pod(7, "Pending"), pod(4, "Failed"), single) == [("worker-3", SHAPE)]
    assert adoption.next_number == 8


def test_a_worker_of_another_version_is_not_talked_to() -> None:
    assert find(Adoption(), pod(0, shape='{"colour": "red"}'), pod(1, shape="")) == []


def test_a_job_under_way_is_claimed_once_by_its_name_whatever_the_try() -> None:
    adoption = Adoption()
    find(adoption, pod(0))
    adoption.heard("worker-0", ["abc-1-l2"])
    assert adoption.knows("abc-1-l2")
    assert not adoption.knows("abc")
    claimed = adoption.claim(task("abc"))
    assert claimed
    assert (claimed[0].id, claimed[1]) == ("abc-1-l2", "worker-0")
    assert adoption.claim(task("abc")) is None
    assert adoption.claim(task("other")) is None


def test_a_job_that_ended_well_in_a_worker_that_is_gone() -> None:
    adoption = Adoption()
    assert find(adoption, pod(0, "Succeeded", '{"succeeded": ["abc"]}')) == []
    claimed = adoption.claim(task("abc"))
    assert claimed
    assert claimed[1] == ""


def test_the_last_word_of_a_worker_that_was_killed_may_be_a_jobs() -> None:
    adoption = Adoption()
    assert find(adoption, pod(0, "Failed", '{"succeeded": ["abc"]}', code=137)) == []
    assert adoption.claim(task("abc")) is None
    assert find(adoption, pod(1, "Failed", '{"succeeded": ["abc"]}', code=143)) == []
    assert adoption.claim(task("abc"))


def test_what_a_lost_worker_had_is_not_claimed() -> None:
    adoption = Adoption()
    find(adoption, pod(0))
    adoption.heard("worker-0", ["abc"])
    adoption.lost("worker-0")
    assert adoption.claim(task("abc")) is None


def test_jobs_of_a_worker_of_this_controller_are_not_adopted() -> None:
    adoption = Adoption()
    adoption.heard("worker-9", ["abc"])
    assert adoption.claim(task("abc")) is None


def test_all_are_waited_for() -> None:
    adoption = Adoption()
    find(adoption, pod(0), pod(1))
    for name in ("worker-0", "worker-1"):
        assert adoption.waiting
        adoption.heard(name, [])
    assert not adoption.waiting
    assert adoption.silent(ANSWER_SECONDS) == []


def test_nobody_is_waited_for_without_end() -> None:
    adoption = Adoption()
    find(adoption, pod(0), pod(1))
    adoption.heard("worker-0", [])
    assert adoption.silent(ANSWER_SECONDS - 1) == []
    assert adoption.silent(ANSWER_SECONDS) == ["worker-1"]


def test_nobody_is_waited_for_if_nobody_is_there() -> None:
    assert not Adoption().waiting
