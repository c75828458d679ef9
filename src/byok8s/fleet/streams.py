"""The stream to one worker: threads that move bytes, and keep it open."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from byok8s.errors import Byok8sError
from byok8s.fleet.events import Event, Hello, TaskDone, Unusable
from byok8s.fleet.record import Record
from byok8s.kube import ApiError, ExecStream, Unreachable
from byok8s.kube.client import pause_after, pauses
from byok8s.kube.errors import FORBIDDEN
from byok8s.pods.manifest import Task
from byok8s.worker import protocol
from byok8s.worker.measured import from_json
from byok8s.worker.protocol import Message

HEARTBEAT_SECONDS = 20.0
SILENCE_SECONDS = 60.0
BEYOND_ALL_OUTPUT = 1 << 40  # bytes: of a job that nobody has asked for yet only the end is told


class VersionSkew(Byok8sError):
    """The worker speaks another version of the protocol."""


class Opens(Protocol):
    """What opens streams."""

    def open_stream(self, pod: str) -> ExecStream: ...


@dataclass
class _Output:
    """A task's output. heard: how many bytes of it are in the record."""

    task: Task
    heard: int = 0


@dataclass
class _Connection:
    """An open stream, with what is to be sent: nobody but its own thread waits for that."""

    stream: ExecStream
    outbox: queue.SimpleQueue[Message | None] = field(default_factory=queue.SimpleQueue)

    def send_all(self) -> None:
        try:
            while message := self.outbox.get():
                self.stream.send(protocol.line(message))
        except Byok8sError:
            self.stream.close()  # the thread that listens finds it broken, and opens another

    def close(self) -> None:
        self.outbox.put(None)
        self.stream.close()


class WorkerStream:
    """Keeps a stream to a worker's pod open, and opens it again as often as it breaks.

    What a worker is told while there is no stream is dropped: each stream begins with the worker's Hello, after which
    all is said that it does not know. put: takes events.
    """

    def __init__(self, cluster: Opens, pod: str, record: Record, put: Callable[[Event], None]) -> None:
        self._cluster, self._pod, self._record, self._put = cluster, pod, record, put
        self._outputs: dict[str, _Output] = {}  # by task id: of those whose output is wanted
        self._connection: _Connection | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._live, name=f"stream to {pod}", daemon=True).start()

    # -- from the loop; none of it waits --

    def run(self, task: Task) -> None:
        self._outputs.setdefault(task.id, _Output(task))
        self._say(_run(task))

    def resume(self, task: Task) -> None:
        output = self._outputs.setdefault(task.id, _Output(task))
        self._say(_resume(task.id, output.heard))

    def await_end(self, task_id: str) -> None:
        self._say(_resume(task_id, BEYOND_ALL_OUTPUT))

    def forget(self, task_id: str) -> None:
        self._outputs.pop(task_id, None)
        self._say({"do": "forget", "job": task_id})

    def end(self) -> None:
        """End the stream: the pod is gone, or going."""
        self._ended.set()
        if connection := self._connection:
            connection.close()

    def _say(self, message: Message) -> None:
        if connection := self._connection:
            connection.outbox.put(message)

    # -- in its own thread --

    def _live(self) -> None:
        waits = pauses()
        while not self._ended.is_set():
            try:
                stream = self._cluster.open_stream(self._pod)
                waits = pauses()
                self._listen(stream)
            except ApiError as error:
                if error.code == FORBIDDEN:  # not any more: it would be waited for without end
                    self._put(Unusable(self._pod, str(error)))
                    return
                self._ended.wait(pause_after(error, next(waits)))
            except VersionSkew as error:
                self._put(Unusable(self._pod, str(error)))
                return
            except Byok8sError:
                self._ended.wait(next(waits))
            except Exception as error:  # noqa: BLE001 - its task would be waited for without end
                self._put(Unusable(self._pod, str(error)))
                return

    def _listen(self, stream: ExecStream) -> None:
        connection = self._connection = _Connection(stream)
        threading.Thread(target=connection.send_all, name=f"words to {self._pod}", daemon=True).start()
        try:
            self._hear(connection)
        finally:
            self._connection = None
            connection.close()

    def _hear(self, connection: _Connection) -> None:
        lines = protocol.Lines()
        heard = pinged = time.monotonic()
        while not self._ended.is_set():
            data = connection.stream.receive(HEARTBEAT_SECONDS)
            now = time.monotonic()
            heard = now if data else heard
            if now - heard > SILENCE_SECONDS:
                raise Unreachable(f"Nothing is heard from pod {self._pod}.")
            if now - pinged >= HEARTBEAT_SECONDS:
                connection.outbox.put({"do": "ping"})
                pinged = now
            for message in lines.feed(data):
                self._on_message(message)

    def _on_message(self, message: Message) -> None:
        kind, task_id = message.get("is"), str(message.get("job", ""))
        output = self._outputs.get(task_id)
        if kind == "hello":
            self._put(Hello(self._pod, _jobs(message, self._pod)))
        elif kind == "done" and (result := protocol.result(message)):
            self._put(TaskDone(self._pod, task_id, result))
        elif output and kind == "log":
            self._keep_output(output, message)
        elif output and kind == "phase":
            self._keep_phase(output.task, message)
        elif output and kind == "outage":
            self._record.outage(str(message.get("why", "")), self._pod)
        elif output and kind == "file":
            text, first = str(message.get("text", "")), bool(message.get("first"))
            self._record.add_file(output.task, str(message.get("path", "")), [text], first=first)

    def _keep_phase(self, task: Task, message: Message) -> None:
        for phase, seconds in from_json({message.get("phase"): message.get("seconds")}).phases():
            self._record.phase(task, phase, seconds)

    def _keep_output(self, output: _Output, message: Message) -> None:
        to = message.get("to")
        if isinstance(to, int) and to > output.heard:
            self._record.add_output(output.task, [str(message.get("text", ""))], first=output.heard == 0)
            output.heard = to


def _jobs(hello: Message, pod: str) -> dict[str, bool]:
    """Return the tasks that a worker knows, and whether they still run. Raises VersionSkew."""
    if hello.get("version") != protocol.VERSION:
        raise VersionSkew(
            f"The worker in pod {pod} speaks version {hello.get('version')} of the protocol, "
            f"not {protocol.VERSION}."
        )
    jobs = hello.get("jobs")
    return {str(job): bool(runs) for job, runs in jobs.items()} if isinstance(jobs, dict) else {}


def _run(task: Task) -> Message:
    return {
        "do": "run",
        "job": task.id,
        "description": task.description,
        "precommand": task.precommand,
        "runtime": task.runtime,
        "logs": task.logs,
    }


def _resume(task_id: str, start: int) -> Message:
    return {"do": "resume", "job": task_id, "from": start}
