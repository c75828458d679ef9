"""A worker's stream, cut at every moment that matters: no task is lost, and none is run twice.

The loop, its core and the stream's threads are the real ones; the cluster's part is played.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from byok8s.fleet import commands
from byok8s.fleet.commands import Command
from byok8s.fleet.effects import Effects
from byok8s.fleet.events import Closed, Event, Left, LeftPod, PodSeen, Submitted, Tick
from byok8s.fleet.fleet import Fleet, Options
from byok8s.fleet.loop import Loop
from byok8s.fleet.record import Record
from byok8s.fleet.retries import RetryPolicy
from byok8s.history.event import parsed
from byok8s.kube import Unreachable
from byok8s.pods.manifest import PodPlan, Shape, Task
from byok8s.pods.outcome import Outcome, State
from byok8s.worker import protocol
from byok8s.worker.measured import Measured
from byok8s.worker.protocol import Lines, Message, Result
from fleet_world import NAMES, RUNNING

TASK = Task("7", "rule", Shape(1), {"levels": [], "cores": 1})
OTHER = Task("8", "rule", Shape(1), {"levels": [], "cores": 1})
DONE = protocol.done("7", Result(0))
POD = NAMES.worker_pod(0)


def hello(jobs: dict[str, object] | None = None, version: int | None = protocol.VERSION) -> Message:
    return {"is": "hello", "version": version, "jobs": jobs or {}}


class Stream:
    """What the worker says is put into it, what it is told is taken out; `cut` breaks it. open: bytes get through."""

    def __init__(self) -> None:
        self._said: queue.Queue[bytes | None] = queue.Queue()
        self.told: queue.Queue[Message] = queue.Queue()
        self.open = threading.Event()
        self.open.set()

    def says(self, *messages: Message) -> None:
        for message in messages:
            self._said.put(protocol.line(message))

    def cut(self) -> None:
        self._said.put(None)

    close = cut

    def receive(self, seconds: float) -> bytes:
        data = self._said.get(timeout=30)
        if data is None:
            raise Unreachable("cut by the test")
        return data

    def send(self, data: bytes) -> None:
        self.open.wait(30)
        for message in Lines().feed(data):
            self.told.put(message)

    def expect(self, do: str) -> Message:
        message = self.told.get(timeout=10)
        assert message["do"] == do
        return message


class Cluster:
    """Hands out streams, one after another, and makes pods without a word."""

    names = NAMES

    def __init__(self) -> None:
        self.opened: queue.Queue[Stream] = queue.Queue()
        self.created: queue.Queue[str] = queue.Queue()
        self.deleted: queue.Queue[str] = queue.Queue()
        self.takes = threading.Event()
        self.takes.set()

    def open_stream(self, _: str) -> Stream:
        stream = Stream()
        self.opened.put(stream)
        return stream

    def next(self) -> Stream:
        return self.opened.get(timeout=10)

    def create_pod(self, plan: PodPlan) -> None:
        self.created.put(plan.name)
        self.takes.wait(30)

    def delete_pod(self, pod: str) -> None:
        self.deleted.put(pod)

    def stop_waiting(self) -> None:
        pass


class Logger:
    def __init__(self) -> None:
        self.warnings: queue.Queue[str] = queue.Queue()

    def warning(self, words: str) -> None:
        self.warnings.put(words)

    info = warning


class Controller:
    """The loop with all that belongs to it."""

    def __init__(self) -> None:
        self.cluster, self.logger = Cluster(), Logger()
        self.record = Record("run-1", pytest.fail)
        self.results: queue.Queue[tuple[str, Outcome]] = queue.Queue()
        self.crashes: queue.Queue[Exception] = queue.Queue()
        self.loop = Loop(self.crashes.put)
        self.put = self.loop.put
        self.effects = Effects(
            self.cluster,  # type: ignore[arg-type]
            self.record,
            self.logger,
            self.put,
            lambda *_: None,
            lambda task, _, found: self.results.put((task.id, found)),
            self.crashes.put,
        )
        options = Options(RetryPolicy(), 2, reuse=True, pending_timeout=None)
        self.loop.start(Fleet(NAMES, options), self.effects)

    def ended_well(self) -> str:
        task, found = self.results.get(timeout=10)
        assert found.state is State.SUCCEEDED
        return task

    def end(self) -> None:
        self.effects.end()
        self.put(Closed())
        assert self.crashes.empty()


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    monkeypatch.chdir(tmp_path)
    controller = Controller()
    yield controller
    controller.end()


def up(controller: Controller, task: Task = TASK) -> Stream:
    """A worker's pod comes to run, made for a task."""
    controller.put(Submitted(task))
    controller.put(PodSeen(controller.cluster.created.get(timeout=10), RUNNING))
    return controller.cluster.next()


def busy(controller: Controller) -> Stream:
    """A worker that has been sent TASK."""
    stream = up(controller)
    stream.says(hello())
    assert stream.expect("run")["description"] == {"levels": [], "cores": 1}
    return stream


def left(controller: Controller, jobs: dict[str, object]) -> Stream:
    """A worker of an earlier controller's."""
    controller.put(Left((LeftPod(POD, RUNNING, 0, TASK.shape),)))
    stream = controller.cluster.next()
    stream.says(hello(jobs))
    return stream


def log(text: str, to: int, job: str = "7") -> Message:
    return {"is": "log", "job": job, "text": text, "to": to}


def test_a_task_from_start_to_end(controller: Controller) -> None:
    stream = busy(controller)
    stream.says(log("words\n", 6), log("not ours", 8, job="8"))
    stream.says({"is": "file", "job": "7", "path": ".snakemake/storage/a.log", "text": "of ", "first": True})
    stream.says(
        {"is": "file", "job": "7", "path": ".snakemake/storage/a.log", "text": "the rule", "first": False},
        DONE,
    )
    assert controller.ended_well() == "7"
    assert stream.expect("forget")["job"] == "7"
    controller.put(Submitted(OTHER))
    assert stream.expect("run")["job"] == "8"
    kept = controller.record.log(TASK)
    assert kept.read_text() == "words\n"
    assert (kept.with_suffix("") / ".snakemake/storage/a.log").read_text() == "of the rule"


def test_cut_while_the_task_runs_its_output_goes_on_where_it_was_cut(controller: Controller) -> None:
    stream = busy(controller)
    stream.says(log("one\n", 4))
    while not controller.record.log(TASK).exists():
        time.sleep(0.01)
    stream.cut()
    again = controller.cluster.next()
    again.says(hello({"7": True}))
    assert again.expect("resume")["from"] == 4
    again.says(log("one\n", 4), log("two\n", 8), DONE)  # a piece that comes again is not noted again
    assert controller.ended_well() == "7"
    assert again.expect("forget")
    assert again.told.empty()
    assert controller.record.log(TASK).read_text() == "one\ntwo\n"


def test_cut_before_the_result_came_the_worker_still_has_it(controller: Controller) -> None:
    stream = busy(controller)
    stream.cut()
    again = controller.cluster.next()
    again.says(hello({"7": False}))
    assert again.expect("resume")["job"] == "7"
    again.says(DONE)
    assert controller.ended_well() == "7"
    assert again.expect("forget")
    assert controller.results.empty()


def with_an_earlier_task(controller: Controller) -> Stream:
    """A worker that runs a task which nobody has claimed."""
    stream = left(controller, {"7": True})
    assert stream.expect("resume")["job"] == "7"
    return stream


def test_the_end_of_an_earlier_task_that_nobody_claims_frees_the_worker(controller: Controller) -> None:
    stream = with_an_earlier_task(controller)
    stream.says(log("not wanted\n", 11), DONE)
    controller.put(Submitted(OTHER))
    assert stream.expect("run")["job"] == "8"  # and nothing before it: what is kept somebody may claim yet
    assert controller.results.empty()
    assert not controller.record.log(TASK).exists()


def test_an_earlier_task_that_is_claimed_after_its_end_while_another_runs(controller: Controller) -> None:
    stream = with_an_earlier_task(controller)
    stream.says(DONE)
    controller.put(Submitted(OTHER))
    assert stream.expect("run")["job"] == "8"
    controller.put(Submitted(TASK))
    assert stream.expect("resume") == {"do": "resume", "job": "7", "from": 0}
    stream.says(log("all of it\n", 10), DONE)
    assert controller.ended_well() == "7"
    assert stream.expect("forget")["job"] == "7"
    stream.says(log("of the other\n", 13, job="8"), protocol.done("8", Result(0)))
    assert controller.ended_well() == "8"
    assert stream.expect("forget")["job"] == "8"
    assert controller.record.log(OTHER).read_text() == "of the other\n"


def test_an_earlier_task_that_is_claimed_while_it_runs(controller: Controller) -> None:
    stream = with_an_earlier_task(controller)
    controller.put(Submitted(TASK))
    assert stream.expect("resume")["from"] == 0
    stream.cut()
    again = controller.cluster.next()
    again.says(hello({"7": True}))
    assert again.expect("resume")["from"] == 0
    controller.put(Submitted(OTHER))
    assert controller.cluster.created.get(timeout=10) != POD  # it is busy
    again.says(DONE)
    assert controller.ended_well() == "7"
    assert again.expect("forget")
    assert again.expect("run")["job"] == "8"


def test_cut_while_an_earlier_task_runs_its_end_is_still_waited_for(controller: Controller) -> None:
    stream = with_an_earlier_task(controller)
    stream.cut()
    again = controller.cluster.next()
    again.says(hello({"7": False}))
    assert again.expect("resume")["job"] == "7"
    again.says(DONE)
    controller.put(Submitted(OTHER))
    assert again.expect("run")["job"] == "8"


def test_a_task_that_an_earlier_controller_began_is_gone_on_with(controller: Controller) -> None:
    stream = left(controller, {"7": True, "6": False})
    assert stream.expect("resume")["from"] != 0  # only its end, as nobody has claimed it
    controller.put(Submitted(TASK))
    assert stream.expect("resume") == {"do": "resume", "job": "7", "from": 0}
    stream.says(log("all of it\n", 10), DONE)
    assert controller.ended_well() == "7"
    assert controller.record.log(TASK).read_text() == "all of it\n"


def test_cut_before_the_order_arrived_it_is_sent_again(controller: Controller) -> None:
    stream = busy(controller)
    stream.cut()
    again = controller.cluster.next()
    again.says(hello())
    assert again.expect("run")["job"] == "7"
    again.says(DONE)
    assert controller.ended_well() == "7"


def test_a_result_that_comes_twice_is_told_once(controller: Controller) -> None:
    stream = busy(controller)
    stream.says(DONE, DONE)
    assert controller.ended_well() == "7"
    assert stream.expect("forget")
    stream.cut()
    again = controller.cluster.next()
    again.says(hello({"7": False}))
    assert again.expect("forget")["job"] == "7"
    assert controller.results.empty()


def test_assigned_while_the_stream_is_down(controller: Controller) -> None:
    stream = busy(controller)
    stream.says(DONE)
    assert stream.expect("forget")
    stream.cut()
    again = controller.cluster.next()
    controller.put(Submitted(OTHER))
    again.says(hello())
    assert again.expect("run")["job"] == "8"


@pytest.mark.parametrize("version", [0, 1, None])
def test_a_worker_of_another_version_is_not_used(version: int | None, controller: Controller) -> None:
    controller.put(Left((LeftPod(POD, RUNNING, 0, TASK.shape),)))
    controller.cluster.next().says(hello(version=version))
    assert controller.cluster.deleted.get(timeout=10) == POD


def test_a_task_whose_worker_turns_out_to_be_of_another_version_is_tried_again(
    controller: Controller,
) -> None:
    stream = busy(controller)
    stream.cut()
    controller.cluster.next().says(hello(version=0))
    words = controller.logger.warnings.get(timeout=10)
    assert f"The worker in pod {POD} speaks version 0 of the protocol, not {protocol.VERSION}" in words
    assert "It is tried again" in words
    assert controller.cluster.created.get(timeout=10) == NAMES.worker_pod(1)


# -- nothing holds up anything else --


def test_a_worker_that_takes_no_bytes_holds_up_no_other(controller: Controller) -> None:
    stuck, other = up(controller), up(controller, OTHER)
    stuck.open.clear()
    stuck.says(hello())
    other.says(hello())
    assert other.told.get(timeout=10)["do"] == "run"
    assert stuck.told.empty()
    stuck.open.set()


def test_pods_that_the_api_does_not_answer_for_hold_up_no_task(controller: Controller) -> None:
    stream = busy(controller)
    controller.cluster.takes.clear()
    for number in range(9):
        controller.put(Submitted(Task(f"x{number}", "rule", Shape(1, 4000), {})))
    stream.says(DONE)
    assert controller.ended_well() == "7"
    controller.cluster.takes.set()


def test_a_pod_that_is_made_after_the_end_is_deleted(controller: Controller) -> None:
    controller.cluster.takes.clear()
    controller.put(Submitted(TASK))
    assert controller.cluster.created.get(timeout=10) == POD
    controller.effects.end()
    controller.cluster.takes.set()
    assert controller.cluster.deleted.get(timeout=10) == POD


def test_what_fails_in_telling_snakemake_is_heard_of_and_stops_nothing(controller: Controller) -> None:
    stream = busy(controller)
    controller.results = None  # type: ignore[assignment]
    stream.says(DONE)
    assert isinstance(controller.crashes.get(timeout=10), AttributeError)
    controller.results = queue.Queue()
    controller.put(Submitted(OTHER))
    assert stream.expect("forget")
    assert stream.expect("run")
    stream.says(protocol.done("8", Result(0)))
    assert controller.ended_well() == "8"


class Broken(Fleet):
    """A core with a fault: it does not know of a tick."""

    def handle(self, event: Event, now: float) -> list[Command]:
        if event == Tick():
            raise LookupError("of this core")
        return super().handle(event, now)


def test_a_fault_of_the_core_is_heard_of(controller: Controller) -> None:
    crashes: queue.Queue[Exception] = queue.Queue()
    loop = Loop(crashes.put)
    loop.put(Tick())
    loop.put(Closed())
    loop.start(Broken(NAMES, Options(RetryPolicy(), 1, reuse=True, pending_timeout=None)), controller.effects)
    assert str(crashes.get(timeout=10)) == "of this core"


@pytest.mark.parametrize(
    ("found", "has_begun"),
    [
        (Outcome(State.SUCCEEDED, exit=0), True),
        (Outcome(State.FAILED, "exit code 1", exit=1, measured=Measured(run=1.5)), True),
        (Outcome(State.FAILED, "it was deleted", exit=137), False),
    ],
)
def test_a_job_whose_pod_is_over_before_it_is_seen_to_run_has_begun_by_what_it_has_done(
    controller: Controller, found: Outcome, has_begun: bool
) -> None:
    controller.effects.carry_out(commands.NoteGiven(TASK))
    controller.effects.carry_out(commands.Report(TASK, POD, found))
    assert controller.results.get(timeout=10) == ("7", found)
    noted = [event["event"] for event in parsed(controller.record.events.path.read_bytes())]
    begun = ["job.began"] if has_begun else []
    assert [name for name in noted if name != "job.ran"] == ["job.given", *begun, "job.ended"]
