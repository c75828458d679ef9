"""What an earlier controller has left at work, and who gets it."""

import json
import threading
from dataclasses import asdict
from typing import cast

from byok8s.executor.adoption import Adoption
from byok8s.executor.manifest import Shape, Task
from byok8s.executor.worker import Worker
from byok8s.kube.json import Object

SHAPE = Shape(2, 500, said='{"spec": {}}')


class Stand:
    """All that is asked of a worker here is its pod's name."""

    def __init__(self, pod: str) -> None:
        self.pod = pod


def worker(pod: str) -> Worker:
    return cast("Worker", Stand(pod))


def pod(
    number: int, phase: str = "Running", message: str = "", shape: str | None = None, code: int = 0
) -> Object:
    return {
        "metadata": {
            "name": f"worker-{number}",
            "labels": {"byok8s.io/worker": str(number)},
            "annotations": {"byok8s.io/shape": json.dumps(asdict(SHAPE)) if shape is None else shape},
        },
        "status": {
            "phase": phase,
            "containerStatuses": [{"state": {"terminated": {"message": message, "exitCode": code}}}],
        },
    }


def task(job: str) -> Task:
    return Task(job, "sort", SHAPE)


def test_running_workers_are_found_with_their_shape() -> None:
    adoption = Adoption()
    single: Object = {"metadata": {"name": "of a single task"}}
    pods = [pod(3), pod(7, "Pending"), pod(4, "Failed"), single]
    assert list(adoption.find(pods)) == [("worker-3", SHAPE)]
    assert adoption.next_number == 8


def test_a_worker_of_another_version_is_not_talked_to() -> None:
    assert list(Adoption().find([pod(0, shape='{"colour": "red"}'), pod(1, shape="")])) == []


def test_a_job_under_way_is_claimed_once_by_its_name_whatever_the_try() -> None:
    adoption = Adoption()
    list(adoption.find([pod(0)]))
    first = worker("worker-0")
    assert adoption.heard(first, ["abc-1-l2"])
    claimed = adoption.claim(task("abc"))
    assert claimed
    assert (claimed[0].id, claimed[1]) == ("abc-1-l2", first)
    assert adoption.claim(task("abc")) is None
    assert adoption.claim(task("other")) is None


def test_a_job_that_ended_well_in_a_worker_that_is_gone() -> None:
    adoption = Adoption()
    assert list(adoption.find([pod(0, "Succeeded", '{"succeeded": ["abc"]}')])) == []
    claimed = adoption.claim(task("abc"))
    assert claimed
    assert claimed[1] is None


def test_the_last_word_of_a_worker_that_was_killed_may_be_a_jobs() -> None:
    adoption = Adoption()
    assert list(adoption.find([pod(0, "Failed", '{"succeeded": ["abc"]}', code=137)])) == []
    assert adoption.claim(task("abc")) is None
    assert list(adoption.find([pod(1, "Failed", '{"succeeded": ["abc"]}', code=143)])) == []
    assert adoption.claim(task("abc"))


def test_what_a_lost_worker_had_is_not_claimed() -> None:
    adoption = Adoption()
    list(adoption.find([pod(0)]))
    first = worker("worker-0")
    adoption.heard(first, ["abc"])
    adoption.lost(first)
    assert adoption.claim(task("abc")) is None


def test_jobs_of_a_worker_of_this_controller_are_not_adopted() -> None:
    adoption = Adoption()
    assert not adoption.heard(worker("worker-9"), ["abc"])
    assert adoption.claim(task("abc")) is None


def test_all_are_waited_for() -> None:
    adoption = Adoption()
    list(adoption.find([pod(0), pod(1)]))
    threading.Timer(0.05, lambda: [adoption.heard(worker(f"worker-{n}"), []) for n in (0, 1)]).start()
    assert adoption.wait() == []


def test_nobody_is_waited_for_where_nobody_is() -> None:
    assert Adoption().wait() == []
