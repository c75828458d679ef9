"""One worker seen from here: its pod, the stream to it, and the tasks that it has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from byok8s.errors import Byok8sError
from byok8s.executor.cluster import ClusterRun
from byok8s.executor.manifest import Shape, Task
from byok8s.executor.record import Record
from byok8s.kube import ApiError, ExecStream, Unreachable
from byok8s.kube.client import pause_after, pauses
from byok8s.kube.faults import FORBIDDEN
from byok8s.worker import protocol
from byok8s.worker.protocol import Message, Result

HEARTBEAT_SECONDS = 20.0
SILENCE_SECONDS = 60.0
BEYOND_ALL_OUTPUT = 1 << 40  # bytes: of a job that nobody has asked for yet only the end is told


class VersionSkew(Byok8sError):
    """The worker speaks another version of the protocol."""


class Worker:
    """Its thread keeps a stream to the pod open, and opens it anew as often as it breaks.

    It has one task of this controller at most (`task`), and may keep any number of an earlier one's: done long ago or,
    one of them, still under way.

    on_hello(worker, jobs): it is there, and knows these jobs, by whether they still run. on_idle(worker): it can take a
    task. on_result(worker, task, result): the task has ended. on_unusable(worker, error): the pod cannot be talked to
    in a way that trying again would mend.
    """

    def __init__(
        self,
        cluster: ClusterRun,
        pod: str,
        shape: Shape,
        record: Record,
        *,
        on_hello: Callable[[Worker, Mapping[str, bool]], None],
        on_idle: Callable[[Worker], None],
        on_result: Callable[[Worker, Task, Result], None],
        on_unusable: Callable[[Worker, Exception], None],
    ) -> None:
        self.pod, self.shape = pod, shape
        self.task: Task | None = None
        self.node = ""
        self._cluster = cluster
        self._record = record
        self._heard: dict[str, int] = {}  # bytes of a task's output, by its id
        self._claimed: dict[str, Task] = {}  # an earlier controller's, by id
        self._earlier = ""  # the id of an earlier controller's that is under way
        self._on_hello_from, self._on_idle, self._on_result = on_hello, on_idle, on_result
        self._on_unusable = on_unusable
        self._lock = threading.Lock()
        self._stream: ExecStream | None = None
        self._running = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"stream to {pod}", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether it runs a task, or is about to."""
        return self.task is not None or self._earlier != ""

    @property
    def tasks(self) -> list[Task]:
        """What is lost with it."""
        with self._lock:
            return [*([self.task] if self.task else []), *self._claimed.values()]

    def assign(self, task: Task) -> None:
        """Only for a worker that is not busy. A stream that breaks meanwhile is no loss: the next begins with it."""
        with self._lock:
            self.task = task
            self._say(_run(task))

    def await_earlier(self, task_id: str) -> None:
        """It runs a task of an earlier controller's, which may be claimed, or not: then only its end counts."""
        with self._lock:
            self._earlier = task_id
            if task_id not in self._claimed:
                self._say(_resume(task_id, BEYOND_ALL_OUTPUT))

    def claim(self, task: Task) -> None:
        """Want what became, or becomes, of a task that it had from an earlier controller of this run."""
        with self._lock:
            self._claimed[task.id] = task
            self._say(_resume(task.id, 0))

    def pod_runs(self) -> None:
        self._running.set()

    @property
    def runs(self) -> bool:
        return self._running.is_set()

    def end(self) -> None:
        """The pod is gone, or going."""
        self._ended.set()
        self._running.set()
        with self._lock:
            if self._stream:
                self._stream.close()

    def _live(self) -> None:
        self._running.wait()
        waits = pauses()
        while not self._ended.is_set():
            try:
                stream = self._cluster.talk(self.pod)
                waits = pauses()
                self._listen(stream)
            except VersionSkew as error:
                self._on_unusable(self, error)
                return
            except ApiError as error:
                if error.code == FORBIDDEN:  # not any more: it would be waited for without end
                    self._on_unusable(self, error)
                    return
                self._ended.wait(pause_after(error, next(waits)))
            except Byok8sError:
                self._forget_stream()
                self._ended.wait(next(waits))
            except Exception as error:  # noqa: BLE001 - its task would be waited for without end
                self._on_unusable(self, error)
                return

    def _forget_stream(self) -> None:
        with self._lock:
            stream, self._stream = self._stream, None
        if stream:
            stream.close()

    def _listen(self, stream: ExecStream) -> None:
        lines = protocol.Lines()
        heard = pinged = time.monotonic()
        while not self._ended.is_set():
            data = stream.receive(HEARTBEAT_SECONDS)
            now = time.monotonic()
            heard = now if data else heard
            if now - heard > SILENCE_SECONDS:
                raise Unreachable(f"Nothing is heard from pod {self.pod}.")
            if now - pinged >= HEARTBEAT_SECONDS:
                stream.send(protocol.line({"do": "ping"}))
                pinged = now
            for message in lines.feed(data):
                self._on_message(stream, message)

    def _on_message(self, stream: ExecStream, message: Message) -> None:
        kind, job = message.get("is"), str(message.get("job", ""))
        task = self.task if self.task and self.task.id == job else self._claimed.get(job)
        if kind == "hello":
            self._on_hello(stream, message)
        elif task is None:
            if kind == "done" and job == self._earlier:
                self._earlier = ""
                self._on_idle(self)
        elif kind == "log":
            self._hear(task, message)
        elif kind == "file":
            text, first = str(message.get("text", "")), bool(message.get("first"))
            self._record.add_file(task, str(message.get("path", "")), [text], first=first)
        elif kind == "done" and (result := protocol.result(message)):
            self._finish(stream, task, result)

    def _hear(self, task: Task, message: Message) -> None:
        to = message.get("to")
        heard = self._heard.get(task.id, 0)
        if isinstance(to, int) and to > heard:
            self._record.add_output(task, [str(message.get("text", ""))], first=heard == 0)
            self._heard[task.id] = to

    def _on_hello(self, stream: ExecStream, message: Message) -> None:
        if message.get("version") != protocol.VERSION:
            raise VersionSkew(
                f"The worker in pod {self.pod} speaks version {message.get('version')} of the protocol, "
                f"not {protocol.VERSION}."
            )
        jobs = message.get("jobs")
        known = {str(job): bool(runs) for job, runs in jobs.items()} if isinstance(jobs, dict) else {}
        with self._lock:
            self._stream, task = stream, self.task
            if task and task.id not in known:
                self._say(_run(task))
            ours = {*self._claimed, *([task.id] if task else [])}
            for job in ours & known.keys():
                self._say(_resume(job, self._heard.get(job, 0)))
            if self._earlier and self._earlier not in ours:
                self._say(_resume(self._earlier, BEYOND_ALL_OUTPUT))
        self._on_hello_from(self, {job: runs for job, runs in known.items() if job not in ours})

    def forget(self, job: str) -> None:
        """The worker need not keep what became of a job."""
        with self._lock:
            self._say({"do": "forget", "job": job})

    def _finish(self, stream: ExecStream, task: Task, result: Result) -> None:
        with self._lock:
            self._heard.pop(task.id, None)
            was_busy = self.busy
            if self.task is task:
                self.task = None
            self._claimed.pop(task.id, None)
            if self._earlier == task.id:
                self._earlier = ""
        self._try_to_say(stream, {"do": "forget", "job": task.id})
        try:
            if was_busy and not self.busy:
                self._on_idle(self)
        finally:
            self._on_result(self, task, result)

    def _say(self, message: Message) -> None:
        """Say it if there is a stream. The lock is held."""
        if self._stream:
            self._try_to_say(self._stream, message)

    def _try_to_say(self, stream: ExecStream, message: Message) -> None:
        try:
            stream.send(protocol.line(message))
        except Byok8sError:
            return  # the thread that listens finds it broken too, and opens another


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
