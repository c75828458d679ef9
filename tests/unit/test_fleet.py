"""What the controller's core does over several events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from byok8s.fleet import commands, events
from byok8s.fleet.events import Event, LeftPod
from byok8s.fleet.fleet import WORTH_A_WORD_SECONDS, Fleet, Options
from byok8s.fleet.pending import GRACE_SECONDS
from byok8s.fleet.retries import RetryPolicy
from byok8s.fleet.workers import IDLE_SECONDS
from byok8s.pods.cause import Cause
from byok8s.pods.manifest import Shape
from byok8s.pods.outcome import Outcome
from byok8s.worker.protocol import Result
from fleet_world import EVICTED, NAMES, QUOTA, RUNNING, SUCCEEDED, UNPLACED, task

SMALL, LARGE, HUGE = Shape(1, 500), Shape(1, 800), Shape(1, 4000)
OPTIONS = Options(RetryPolicy(oom_retries=1), 2, reuse=True, pending_timeout=None)
PODS = [NAMES.worker_pod(number) for number in range(9)]


class Scene:
    """A core, and what it has said since somebody last looked."""

    def __init__(self, options: Options = OPTIONS) -> None:
        self.fleet = Fleet(NAMES, options)
        self.now = 0.0
        self.said: list[commands.Command] = []

    def tell(self, *told: Event) -> None:
        for event in told:
            self.said += self.fleet.handle(event, self.now)

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.tell(events.Tick())

    def worker(self, number: int) -> None:
        """A worker comes up."""
        pod = PODS[number]
        self.tell(events.PodMade(pod), events.PodSeen(pod, RUNNING), events.Hello(pod, {}))

    def done(self, number: int, job: str, result: Result | None = None) -> None:
        self.tell(events.TaskDone(PODS[number], job, result or Result(0)))

    def did(self, *kinds: type) -> list[commands.Command]:
        """Return what was said of these kinds, once."""
        found = [command for command in self.said if isinstance(command, kinds)]
        self.said = []
        return found


def submitted(job: str, shape: Shape = SMALL) -> events.Submitted:
    return events.Submitted(task(job, shape))


def pods(found: list[commands.Command]) -> list[str]:
    return [
        command.plan.name if isinstance(command, commands.CreatePod) else getattr(command, "pod", "")
        for command in found
    ]


# -- which worker takes which task --


def test_rules_that_ask_for_less_and_less_share_one_pod() -> None:
    scene = Scene()
    for number, memory in enumerate((300, 290, 280, 270, 260)):
        scene.tell(submitted(f"j{number}", Shape(1, memory)))
        if number == 0:
            scene.worker(0)
        scene.done(0, f"j{number}")
    assert pods(scene.did(commands.CreatePod)) == [PODS[0]]


def test_a_task_goes_to_the_worker_that_it_wastes_least_of() -> None:
    scene = Scene(replace(OPTIONS, limit=3))
    scene.tell(submitted("a", LARGE), submitted("b", Shape(1, 1000)), submitted("c", SMALL))
    for number in range(3):
        scene.worker(number)
    for number, job in enumerate("abc"):
        scene.done(number, job)
    scene.did()
    scene.tell(submitted("d", SMALL), submitted("e", SMALL), submitted("f", SMALL))
    assert pods(scene.did(commands.Run)) == [PODS[2], PODS[0], PODS[1]]


def test_a_worker_that_is_free_takes_a_task_of_its_own_shape_first_and_then_the_largest() -> None:
    scene = Scene(replace(OPTIONS, limit=1))
    scene.tell(submitted("a", LARGE))
    scene.worker(0)
    scene.tell(submitted("b", Shape(1, 450)), submitted("c", SMALL), submitted("d", LARGE))
    scene.done(0, "a")
    scene.done(0, "d")
    scene.done(0, "c")
    run = scene.did(commands.Run)
    assert [command.task.job for command in run if isinstance(command, commands.Run)] == ["a", "d", "c", "b"]


def test_a_worker_that_is_far_too_large_is_not_used() -> None:
    scene = Scene()
    scene.tell(submitted("a", HUGE))
    scene.worker(0)
    scene.done(0, "a")
    scene.did()
    scene.tell(submitted("b", SMALL))
    assert pods(scene.did(commands.CreatePod, commands.Run)) == [PODS[1]]


def test_with_a_factor_of_one_only_equal_pods_are_used() -> None:
    scene = Scene(replace(OPTIONS, reuse_factor=1.0))
    scene.tell(submitted("a", LARGE))
    scene.worker(0)
    scene.done(0, "a")
    scene.did()
    scene.tell(submitted("b", SMALL), submitted("c", LARGE))
    assert pods(scene.did(commands.CreatePod, commands.Run)) == [PODS[1], PODS[0]]


def test_a_job_that_ran_out_of_memory_in_a_larger_pod_gets_more_than_that_had() -> None:
    scene = Scene()
    scene.tell(submitted("a", LARGE))
    scene.worker(0)
    scene.done(0, "a")
    scene.tell(submitted("b", SMALL))
    scene.done(0, "b", Result(1, "out of memory", cause="out-of-memory"))
    scene.did()
    scene.tick(0)
    made = scene.did(commands.CreatePod)
    assert [command.plan.shape.mem_mb for command in made if isinstance(command, commands.CreatePod)] == [
        1200
    ]


def test_a_worker_with_a_rules_own_image_runs_one_task_after_another() -> None:
    own = replace(SMALL, tool="image")
    scene = Scene(replace(OPTIONS, limit=1))
    scene.tell(submitted("a", own), submitted("b", own))
    scene.worker(0)
    assert pods(scene.did(commands.Run)) == [PODS[0]]
    scene.done(0, "a")
    assert pods(scene.did(commands.DeletePod, commands.CreatePod, commands.Run)) == [PODS[0]]


def test_a_worker_with_another_image_is_not_used() -> None:
    scene = Scene()
    scene.tell(submitted("a"))
    scene.worker(0)
    scene.done(0, "a")
    scene.did()
    scene.tell(submitted("b", replace(SMALL, tool="image")))
    assert pods(scene.did(commands.CreatePod, commands.Run)) == [PODS[1]]


# -- how many there are --


def test_workers_are_started_before_their_tasks_come_and_no_more_than_the_limit() -> None:
    scene = Scene()
    scene.tell(events.Expected((SMALL, SMALL, SMALL)))
    assert pods(scene.did(commands.CreatePod)) == PODS[:2]
    scene.tell(submitted("a"), submitted("b"))
    assert scene.did(commands.CreatePod) == []


def test_at_the_limit_a_worker_that_has_nothing_to_do_makes_room_for_another() -> None:
    scene = Scene(replace(OPTIONS, limit=1))
    scene.tell(submitted("a"))
    scene.worker(0)
    scene.done(0, "a")
    scene.did()
    scene.tell(submitted("b", HUGE))
    assert pods(scene.did(commands.DeletePod, commands.CreatePod)) == [PODS[0], PODS[1]]


def test_a_pod_without_a_node_has_workers_that_have_nothing_to_do_retired() -> None:
    scene = Scene(replace(OPTIONS, limit=3))
    scene.tell(submitted("a"))
    scene.worker(0)
    scene.done(0, "a")
    scene.tell(submitted("b", HUGE), events.PodMade(PODS[1]))
    scene.did()
    scene.tell(events.PodSeen(PODS[1], UNPLACED))
    assert pods(scene.did(commands.DeletePod)) == [PODS[0]]


def test_idle_workers_are_retired_in_time_and_those_that_nobody_waits_for() -> None:
    scene = Scene()
    scene.tell(events.Expected((HUGE,)), submitted("a"))
    scene.worker(1)
    scene.done(1, "a")
    scene.did()
    scene.tick(IDLE_SECONDS)
    assert scene.did(commands.DeletePod) == []
    scene.tick(1)
    assert sorted(pods(scene.did(commands.DeletePod))) == sorted(PODS[:2])


def test_a_worker_that_is_retired_before_it_is_made_is_deleted_once_it_is() -> None:
    scene = Scene(replace(OPTIONS, limit=1))
    scene.tell(events.Expected((SMALL,)), submitted("a", HUGE))
    assert pods(scene.did(commands.DeletePod, commands.CreatePod)) == [PODS[0], PODS[0], PODS[1]]
    scene.tell(events.PodMade(PODS[0]))
    assert pods(scene.did(commands.DeletePod)) == [PODS[0]]


def test_a_task_goes_to_the_idle_worker_that_has_most_of_its_inputs() -> None:
    def takes(job: str, **sizes: int) -> events.Submitted:
        return events.Submitted(replace(task(job, SMALL), shared=tuple(sizes.items())))

    scene = Scene()
    scene.tell(takes("a", genome=3000, sheet=2), takes("b", index=2000, names=2000))
    scene.worker(0)
    scene.worker(1)
    scene.done(0, "a")
    scene.done(1, "b")
    scene.did()
    for job, sizes, number in [
        ("c", {"index": 2000}, 1),
        ("d", {"genome": 3000, "index": 2000, "names": 2000}, 1),
        ("e", {"genome": 3000, "sheet": 2}, 0),
        ("f", {"sheet": 2, "another": 9000}, 0),
    ]:
        scene.tell(takes(job, **sizes))
        assert pods(scene.did(commands.Run)) == [PODS[number]], job
        scene.done(number, job)
        scene.did()


# -- quota --


def test_a_quota_is_waited_for_while_others_run_and_tried_again_one_at_a_time() -> None:
    scene = Scene(replace(OPTIONS, limit=3))
    scene.tell(submitted("a"), submitted("b"), submitted("c"))
    scene.worker(0)
    scene.tell(events.PodRefused(PODS[1], QUOTA), events.PodRefused(PODS[2], QUOTA))
    scene.did()
    scene.tick(GRACE_SECONDS * 3)
    assert pods(scene.did(commands.CreatePod, commands.Report)) == [PODS[3]]
    scene.tell(events.PodRefused(PODS[3], QUOTA))
    scene.done(0, "a")
    scene.done(0, "b")
    scene.done(0, "c")
    assert len(scene.did(commands.Report)) == 3


def test_a_quota_that_has_room_for_none_fails_its_tasks_after_a_grace() -> None:
    scene = Scene()
    scene.tell(submitted("a"), events.PodRefused(PODS[0], QUOTA))
    assert scene.did(commands.Report) == []
    scene.tick(GRACE_SECONDS + 1)
    scene.tell(events.PodRefused(PODS[1], QUOTA))
    (report,) = scene.did(commands.Report)
    assert isinstance(report, commands.Report)
    assert report.found.cause is Cause.QUOTA


# -- what an earlier controller has left --


def found(number: int, *succeeded: str, status: Outcome = RUNNING) -> LeftPod:
    return LeftPod(PODS[number], status, number, SMALL, succeeded=succeeded)


def test_no_task_is_given_to_another_before_all_workers_have_told_what_they_have() -> None:
    scene = Scene()
    scene.tell(events.Left((found(0), found(1))), submitted("a"), submitted("b"))
    scene.tell(events.Hello(PODS[0], {}))
    assert scene.did(commands.Run, commands.Resume, commands.CreatePod) == []
    scene.tell(events.Hello(PODS[1], {"a-l1": True}))
    assert scene.did(commands.Run, commands.Resume) == [
        commands.Resume(PODS[1], replace(task("a"), adopted="a-l1")),
        commands.Run(PODS[0], task("b")),
    ]


def test_a_restarted_snakemake_that_chooses_other_jobs_first_waits_for_what_is_at_work() -> None:
    scene = Scene(replace(OPTIONS, limit=1))
    scene.tell(events.Left((found(0),)), events.Hello(PODS[0], {"a": True}), submitted("b"))
    assert scene.did(commands.Run, commands.CreatePod) == []
    scene.done(0, "a")
    assert pods(scene.did(commands.Run)) == [PODS[0]]
    scene.done(0, "b")
    assert len(scene.did(commands.Report)) == 1
    scene.tell(submitted("a"))
    assert pods(scene.did(commands.Resume)) == [PODS[0]]
    scene.tick(IDLE_SECONDS + 1)
    assert scene.did(commands.DeletePod) == []  # its result is on its way
    scene.done(0, "a")
    assert len(scene.did(commands.Report, commands.Forget)) == 2


def test_a_task_that_ended_well_in_a_worker_that_is_gone_is_not_run_again() -> None:
    scene = Scene()
    scene.tell(events.Left((found(0, "a", status=SUCCEEDED),)), submitted("a"))
    assert pods(scene.did(commands.DeletePod)) == [PODS[0]]
    scene.tell(submitted("b"))
    assert pods(scene.did(commands.CreatePod)) == [PODS[1]]


def test_a_worker_that_is_lost_while_others_have_not_answered_is_waited_for_no_more() -> None:
    scene = Scene()
    scene.tell(events.Left((found(0),)), submitted("a"), events.PodSeen(PODS[0], EVICTED))
    assert pods(scene.did(commands.CreatePod)) == [PODS[1]]


def test_a_single_pod_is_found_by_its_job_whatever_the_try() -> None:
    scene = Scene(replace(OPTIONS, reuse=False))
    pod = NAMES.job_pod("rule", "a-l2")
    scene.tell(events.Left((LeftPod(pod, RUNNING, task_id="a-l2"),)), submitted("a"))
    assert scene.did(commands.CreatePod) == []
    scene.tell(events.PodSeen(pod, replace(SUCCEEDED, has_log=False)))
    (report,) = scene.did(commands.Report)
    assert isinstance(report, commands.Report)
    assert report.task.id == "a-l2"


# -- the run's owner --


def test_a_pod_that_goes_with_the_whole_run_is_not_replaced() -> None:
    scene = Scene()
    scene.tell(submitted("a"), submitted("b"))
    scene.worker(0)
    scene.worker(1)
    scene.did()
    scene.tell(
        events.PodSeen(PODS[0], EVICTED, leaving=True), events.PodGone(PODS[1]), events.PodGone(PODS[0])
    )
    assert scene.did(commands.AskOwner, commands.Report, commands.NoteEnded) == [commands.AskOwner()]
    scene.tell(events.OwnerSeen(over=True))
    assert scene.did(commands.EndRun, commands.Report, commands.NoteEnded, commands.CreatePod) == [
        commands.EndRun()
    ]
    scene.tell(events.OwnerSeen(over=True))
    assert scene.did(commands.EndRun) == []


def test_a_pod_that_goes_after_the_question_is_asked_for_again() -> None:
    scene = Scene()
    scene.tell(submitted("a"), submitted("b"))
    scene.worker(0)
    scene.worker(1)
    scene.tell(events.PodGone(PODS[0]), events.PodGone(PODS[1]))
    assert len(scene.did(commands.AskOwner)) == 1
    scene.tell(events.OwnerSeen(over=False))
    assert [type(command) for command in scene.did(commands.AskOwner, commands.NoteEnded)] == [
        commands.NoteEnded,
        commands.AskOwner,
    ]
    scene.tell(events.OwnerSeen(over=False))
    assert len(scene.did(commands.NoteEnded)) == 1


# -- what is tried again, and what is said --


def test_an_attempt_comes_when_it_is_due() -> None:
    scene = Scene()
    scene.tell(submitted("a"))
    scene.worker(0)
    scene.tell(events.PodSeen(PODS[0], EVICTED))
    assert scene.fleet.due == 1.0
    assert scene.did(commands.Warn) == [
        commands.Warn(": its pod was evicted. It is tried again in 1 s (1 of 5 times).")
    ]
    scene.tick(0.9)
    assert scene.did(commands.CreatePod) == []
    scene.tick(0.1)
    assert pods(scene.did(commands.CreatePod)) == [PODS[1]]


def test_why_a_pod_waits_is_said_once_and_only_while_none_runs() -> None:
    scene = Scene()
    scene.tell(submitted("a"), submitted("b"))
    scene.tell(events.PodSeen(PODS[0], UNPLACED), events.PodSeen(PODS[0], UNPLACED))
    assert scene.did(commands.SayWhyItWaits) == [commands.SayWhyItWaits(PODS[0], UNPLACED)]
    scene.tell(events.PodSeen(PODS[0], RUNNING), events.PodSeen(PODS[1], replace(UNPLACED, why="other")))
    scene.tick(WORTH_A_WORD_SECONDS)
    assert scene.did(commands.SayWhyItWaits) == []


@pytest.mark.parametrize("reuse", [True, False], ids=["workers", "single pods"])
def test_why_a_pod_waits_is_said_again_when_no_other_runs_any_more(reuse: bool) -> None:
    """A run whose last job needed a whole node that others used said nothing without end."""
    scene = Scene(replace(OPTIONS, reuse=reuse))
    for job, shape in {"a": SMALL, "b": HUGE, "c": SMALL}.items():
        scene.tell(submitted(job, shape))
        (pod,) = pods(scene.did(commands.CreatePod))
        scene.tell(events.PodMade(pod), events.PodSeen(pod, UNPLACED))
        for _ in range(3):
            scene.tick(WORTH_A_WORD_SECONDS)
        assert scene.did(commands.SayWhyItWaits) == [commands.SayWhyItWaits(pod, UNPLACED)]
        scene.tell(events.PodSeen(pod, RUNNING), events.Hello(pod, {}), events.TaskDone(pod, job, Result(0)))
        scene.tell(events.PodSeen(pod, SUCCEEDED), events.LogKept(pod), events.PodGone(pod))
        scene.did()


def test_a_pod_that_waits_for_the_room_of_one_that_goes_is_worth_no_word() -> None:
    scene = Scene()
    scene.tell(submitted("a"))
    scene.worker(0)
    scene.done(0, "a")
    scene.tell(submitted("b", HUGE), events.PodMade(PODS[1]), events.PodSeen(PODS[1], UNPLACED))
    assert pods(scene.did(commands.DeletePod)) == [PODS[0]]
    scene.tick(WORTH_A_WORD_SECONDS)
    scene.tell(events.PodGone(PODS[0]), events.PodSeen(PODS[1], RUNNING))
    assert scene.did(commands.SayWhyItWaits) == []


def test_a_pod_without_a_node_fails_its_tasks_in_time() -> None:
    scene = Scene(replace(OPTIONS, pending_timeout=60))
    scene.tell(submitted("a"), events.PodSeen(PODS[0], UNPLACED))
    scene.tick(59)
    assert scene.did(commands.Report) == []
    scene.tick(1)
    assert pods(scene.did(commands.DeletePod, commands.Report)) == [PODS[0], PODS[0]]


def test_after_the_end_nothing_is_done() -> None:
    scene = Scene()
    scene.tell(submitted("a"))
    scene.worker(0)
    scene.tell(events.Closed())
    scene.did()
    scene.tell(
        events.PodGone(PODS[0]), events.TaskDone(PODS[0], "a", Result(0)), submitted("b"), events.Tick()
    )
    assert scene.said == []
    assert scene.fleet.due == float("inf")
