"""A worker's stream, cut at every moment that matters: no task is lost, and none is run twice."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from byok8s.executor.manifest import Shape, Task
from byok8s.executor.record import Record
from byok8s.executor.worker import VersionSkew, Worker
from byok8s.kube import Unreachable
from byok8s.worker import protocol
from byok8s.worker.protocol import Lines, Message, Result

TASK = Task("7", "rule", Shape(1), {"levels": [], "cores": 1})
DONE = protocol.done("7", Result(0))


def hello(jobs: dict[str, object] | None = None, version: int | None = protocol.VERSION) -> Message:
    return {"is": "hello", "version": version, "jobs": jobs or {}}


class Stream:
    """What the worker says is put into it, what it is told is taken out; `cut` breaks it."""

    def __init__(self) -> None:
        self._said: queue.Queue[bytes | None] = queue.Queue()
        self.told: queue.Queue[Message] = queue.Queue()

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
        for message in Lines().feed(data):
            self.told.put(message)

    def expect(self, do: str) -> Message:
        message = self.told.get(timeout=10)
        assert message["do"] == do
        return message


class Cluster:
    """Hands out streams, one after another."""

    def __init__(self) -> None:
        self.opened: queue.Queue[Stream] = queue.Queue()

    def talk(self, _: str) -> Stream:
        stream = Stream()
        self.opened.put(stream)
        return stream

    def next(self) -> Stream:
        return self.opened.get(timeout=10)


class Told:
    def __init__(self) -> None:
        self.results: queue.Queue[tuple[str, Result]] = queue.Queue()
        self.idle: queue.Queue[str] = queue.Queue()
        self.hello: queue.Queue[Mapping[str, bool]] = queue.Queue()
        self.record = Record("run-1", pytest.fail)
        self.unusable: queue.Queue[Exception] = queue.Queue()


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Cluster, Told, Callable[[], Worker]]:
    monkeypatch.chdir(tmp_path)
    cluster, told = Cluster(), Told()

    def start() -> Worker:
        worker = Worker(
            cluster,  # type: ignore[arg-type]
            "pod-1",
            TASK.shape,
            told.record,
            on_hello=lambda worker, jobs: told.hello.put(jobs),
            on_idle=lambda worker: told.idle.put(worker.pod),
            on_result=lambda _, task, result: told.results.put((task.id, result)),
            on_unusable=lambda _, error: told.unusable.put(error),
        )
        worker.pod_runs()
        return worker

    return cluster, told, start


Parts = tuple[Cluster, Told, Callable[[], Worker]]


def busy(parts: Parts) -> tuple[Worker, Stream]:
    """A worker that has been sent TASK."""
    cluster, told, start = parts
    worker, stream = start(), cluster.next()
    stream.says(hello())
    assert told.hello.get(timeout=10) == {}
    worker.assign(TASK)
    assert stream.expect("run")["description"] == {"levels": [], "cores": 1}
    return worker, stream


def log(text: str, to: int, job: str = "7") -> Message:
    return {"is": "log", "job": job, "text": text, "to": to}


def test_a_task_from_start_to_end(parts: Parts) -> None:
    worker, stream = busy(parts)
    stream.says(log("words\n", 6), log("not ours", 8, job="8"))
    stream.says({"is": "file", "job": "7", "path": ".snakemake/storage/a.log", "text": "of ", "first": True})
    stream.says(
        {"is": "file", "job": "7", "path": ".snakemake/storage/a.log", "text": "the rule", "first": False},
        DONE,
    )
    told = parts[1]
    assert told.results.get(timeout=10) == ("7", Result(0))
    assert told.idle.get(timeout=10) == "pod-1"
    assert stream.expect("forget")["job"] == "7"
    kept = told.record.log(TASK)
    assert kept.read_text() == "words\n"
    assert (kept.with_suffix("") / ".snakemake/storage/a.log").read_text() == "of the rule"
    worker.end()


def test_cut_while_the_task_runs_its_output_goes_on_where_it_was_cut(parts: Parts) -> None:
    worker, stream = busy(parts)
    stream.says(log("one\n", 4))
    while not parts[1].record.log(TASK).exists():
        time.sleep(0.01)
    stream.cut()
    again = parts[0].next()
    again.says(hello({"7": True}))
    assert again.expect("resume")["from"] == 4
    again.says(log("one\n", 4), log("two\n", 8), DONE)  # a piece that comes again is not noted again
    assert parts[1].results.get(timeout=10) == ("7", Result(0))
    assert again.expect("forget")
    assert again.told.empty()
    assert parts[1].record.log(TASK).read_text() == "one\ntwo\n"
    worker.end()


def test_cut_before_the_result_came_the_worker_still_has_it(parts: Parts) -> None:
    worker, stream = busy(parts)
    stream.cut()
    again = parts[0].next()
    again.says(hello({"7": False}))
    assert again.expect("resume")["job"] == "7"
    again.says(DONE)
    assert parts[1].results.get(timeout=10) == ("7", Result(0))
    assert again.expect("forget")
    assert parts[1].results.empty()
    worker.end()


OTHER = Task("8", "rule", Shape(1), {"levels": [], "cores": 1})


def with_an_earlier_task(parts: Parts) -> tuple[Worker, Stream]:
    """A worker that runs a task which nobody has claimed."""
    cluster, told, start = parts
    worker, stream = start(), cluster.next()
    stream.says(hello({"7": True}))
    assert told.hello.get(timeout=10) == {"7": True}
    worker.await_earlier("7")
    assert stream.expect("resume")["job"] == "7"
    return worker, stream


def test_the_end_of_an_earlier_task_that_nobody_claims_frees_the_worker(parts: Parts) -> None:
    worker, stream = with_an_earlier_task(parts)
    stream.says(log("not wanted\n", 11), DONE)
    assert parts[1].idle.get(timeout=10) == "pod-1"
    assert not worker.busy
    assert parts[1].results.empty()
    assert stream.told.empty()  # it is kept: somebody may claim it yet
    worker.end()


def test_an_earlier_task_that_is_claimed_after_its_end_while_another_runs(parts: Parts) -> None:
    worker, stream = with_an_earlier_task(parts)
    stream.says(DONE)
    assert parts[1].idle.get(timeout=10)
    worker.assign(OTHER)
    assert stream.expect("run")["job"] == "8"
    worker.claim(TASK)
    assert stream.expect("resume") == {"do": "resume", "job": "7", "from": 0}
    stream.says(log("all of it\n", 10), DONE)
    assert parts[1].results.get(timeout=10) == ("7", Result(0))
    assert worker.task is OTHER
    assert parts[1].idle.empty()
    assert stream.expect("forget")["job"] == "7"
    stream.says(log("of the other\n", 13, job="8"), protocol.done("8", Result(0)))
    assert parts[1].results.get(timeout=10) == ("8", Result(0))
    assert parts[1].idle.get(timeout=10)
    assert parts[1].record.log(OTHER).read_text() == "of the other\n"
    worker.end()


def test_an_earlier_task_that_is_claimed_while_it_runs(parts: Parts) -> None:
    worker, stream = with_an_earlier_task(parts)
    worker.claim(TASK)
    assert stream.expect("resume")["from"] == 0
    assert worker.tasks == [TASK]
    stream.cut()
    again = parts[0].next()
    again.says(hello({"7": True}))
    assert again.expect("resume")["from"] == 0
    assert worker.busy
    again.says(DONE)
    assert parts[1].results.get(timeout=10) == ("7", Result(0))
    assert parts[1].idle.get(timeout=10)
    worker.end()


def test_cut_while_an_earlier_task_runs_its_end_is_still_waited_for(parts: Parts) -> None:
    worker, stream = with_an_earlier_task(parts)
    stream.cut()
    again = parts[0].next()
    again.says(hello({"7": False}))
    assert again.expect("resume")["job"] == "7"
    again.says(DONE)
    assert parts[1].idle.get(timeout=10)
    worker.end()


def test_a_task_that_an_earlier_controller_began_is_gone_on_with(parts: Parts) -> None:
    cluster, told, start = parts
    worker, stream = start(), cluster.next()
    stream.says(hello({"7": True, "6": False}))
    assert told.hello.get(timeout=10) == {"7": True, "6": False}
    worker.claim(TASK)
    assert stream.expect("resume") == {"do": "resume", "job": "7", "from": 0}
    stream.says(log("all of it\n", 10), DONE)
    assert told.results.get(timeout=10) == ("7", Result(0))
    assert told.record.log(TASK).read_text() == "all of it\n"
    worker.end()


def test_cut_before_the_order_arrived_it_is_sent_again(parts: Parts) -> None:
    worker, stream = busy(parts)
    stream.cut()
    again = parts[0].next()
    again.says(hello())
    assert again.expect("run")["job"] == "7"
    again.says(DONE)
    assert parts[1].results.get(timeout=10) == ("7", Result(0))
    worker.end()


def test_a_result_that_comes_twice_is_told_once(parts: Parts) -> None:
    worker, stream = busy(parts)
    stream.says(DONE, DONE)
    assert parts[1].results.get(timeout=10) == ("7", Result(0))
    assert stream.expect("forget")
    stream.cut()
    again = parts[0].next()
    again.says(hello({"7": False}))
    assert parts[1].hello.get(timeout=10) == {"7": False}
    assert parts[1].results.empty()
    worker.end()


def test_assigned_while_the_stream_is_down(parts: Parts) -> None:
    cluster, told, start = parts
    worker, stream = start(), cluster.next()
    stream.says(hello())
    told.hello.get(timeout=10)
    stream.cut()
    again = cluster.next()
    worker.assign(TASK)
    again.says(hello())
    assert again.expect("run")["job"] == "7"
    worker.end()


@pytest.mark.parametrize("version", [0, 1, None])
def test_a_worker_of_another_version_is_not_used(version: int | None, parts: Parts) -> None:
    cluster, told, start = parts
    start()
    cluster.next().says(hello(version=version))
    error = told.unusable.get(timeout=10)
    assert isinstance(error, VersionSkew)
    assert "pod-1" in str(error)
