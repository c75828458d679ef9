"""A worker: the first process of a pod that runs many jobs, one at a time, each in a fresh process and folder.

It has Snakemake imported before the first job and forks for each, which takes the start of Snakemake out of every
job's time. It has one thread only: what forks must not have more. The stream's near end (`talk`) comes and goes;
jobs and results stay here until the controller has them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import struct
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING

from byok8s.worker import job_folder, memory, seclusion, termination, tool
from byok8s.worker.confined import Confined, anywhere
from byok8s.worker.job import POD_DELETED, Job
from byok8s.worker.job_output import JobOutput
from byok8s.worker.measured import Disks
from byok8s.worker.process import Order
from byok8s.worker.protocol import VERSION, Lines, Message, Result, done, line
from byok8s.worker.warm import warm_up

if TYPE_CHECKING:
    from byok8s.worker.workplace import Workplace

SOCKET = job_folder.WORK / "worker.sock"
KEPT = job_folder.WORK / "kept"
MOST_TOLD = 100  # a termination message has room for 4096 bytes
FORSAKEN_SECONDS = float(os.environ.get("BYOK8S_FORSAKEN_SECONDS", "300"))
SEND_SECONDS = 30.0
PHASE_SECONDS = 1.0  # between two looks at how far a job is
GATHER_SECONDS = 0.1  # what a job says meanwhile is one message: each costs the controller time


def serve() -> int:
    """Until the controller is not heard of for a while and no job is under way; or until the pod is told to end."""
    disks = Disks()
    seclusion.close_to_others()
    plugins = job_folder.bring_plugins()
    other = tool.opened()
    room = job_folder.CleanRoom(plugins)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(SOCKET))
    listening.listen()
    sys.path.append(str(plugins))
    from byok8s.worker.workplace import Workplace, read_run

    run = read_run()
    warm_up(scripts=run.scripts)
    server = Server(listening, Workplace(run, many=True), room, disks, other)
    server.run()
    if other:
        other.quit()
    with contextlib.suppress(OSError):
        termination.leave(server.result, server.succeeded()[-MOST_TOLD:])
    return server.result.code


class Server:
    """result: of the job that ended with the pod; without one, success."""

    def __init__(
        self,
        listening: socket.socket,
        workplace: Workplace,
        room: job_folder.CleanRoom,
        disks: Disks,
        other: tool.Tool | None = None,
    ) -> None:
        """disks: of this process. other: the container of a rule's own image if the pod has one."""
        self.result = Result(0)
        self._workplace, self._room, self._disks = workplace, room, disks
        self._tool, self._spoilt = other, False
        self._listening = listening
        self._selector = selectors.DefaultSelector()
        self._selector.register(listening, selectors.EVENT_READ)
        self._stream: socket.socket | None = None
        self._lines = Lines()
        self._job: Job | None = None
        self._kept: dict[str, JobOutput] = {}  # by job
        # by job: bytes of its output, for those that this stream has asked for
        self._sent: dict[str, int] = {}
        self._tell_at = 0.0  # when what the running job has written is due; 0 for nothing to tell
        self._phases_told: set[str] = set()  # of the running job
        self._outage_told = ""  # why S3 is away that the running job waits for
        self._phases_at = 0.0  # when how far it is is looked at again
        self._heard = time.monotonic()
        self._ending = False

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._on_terminate)
        self._workplace.expect_job()
        while not self._is_over():
            for key, _ in self._selector.select(timeout=self._patience()):
                if key.fileobj is self._listening:
                    self._on_stream(self._listening.accept()[0])
                elif key.fileobj is self._stream:
                    self._on_data()
                else:
                    self._on_output()
            if self._job:
                self._look_at(self._job)
            if self._job and self._job.output_is_over():
                self._on_end(self._job)
            if self._job and not self._ending:
                self._end_early(self._job)
        if self._job:
            self._on_end(self._job)

    def _patience(self) -> float:
        """Return how many seconds nothing has to be looked at."""
        if self._tell_at:
            return GATHER_SECONDS
        return memory.LOOK_SECONDS if self._job else 1.0

    def _look_at(self, job: Job) -> None:
        """Look at what a job uses, and tell what is due of how far it is."""
        job.look_at_memory()
        if self._tell_at and time.monotonic() >= self._tell_at:
            self._tell(job.order.job)
        if time.monotonic() >= self._phases_at:
            self._tell_phases(job)

    def _end_early(self, job: Job) -> None:
        """End a job whose container is gone, or whose time is over."""
        if job.look_at_tool():
            self._ending = True
        elif job.deadline and time.monotonic() > job.deadline:
            job.deadline = None
            job.end(f"it ran longer than its runtime allows ({job.order.runtime} min)", "deadline")

    def _is_over(self) -> bool:
        if self._ending or (self._spoilt and not self._kept):
            return True
        return not self._job and time.monotonic() - self._heard >= FORSAKEN_SECONDS

    def _on_terminate(self, _: int, __: FrameType | None) -> None:
        self._ending = True
        if self._job:
            self._job.end_with_pod()

    # -- the stream --

    def _on_stream(self, stream: socket.socket) -> None:
        """The newest stream is the one: the controller opens another only when it has lost the last."""
        if not seclusion.is_from_outside(stream):  # a job wants to be the controller
            stream.close()
            return
        self._drop_stream()
        stream.settimeout(SEND_SECONDS)
        self._selector.register(stream, selectors.EVENT_READ)
        self._stream, self._lines, self._heard = stream, Lines(), time.monotonic()
        jobs = {job: kept.result is None for job, kept in self._kept.items()}
        self._say({"is": "hello", "version": VERSION, "jobs": jobs})

    def _drop_stream(self) -> None:
        if self._stream:
            self._selector.unregister(self._stream)
            self._stream.close()
            self._stream = None
        self._sent.clear()
        self._phases_told.clear()
        self._outage_told = ""

    def _on_data(self) -> None:
        assert self._stream
        try:
            data = self._stream.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop_stream()
            return
        self._heard = time.monotonic()
        for message in self._lines.feed(data):
            self._on_message(message)

    def _on_message(self, message: Message) -> None:
        job, start = str(message.get("job", "")), message.get("from")
        match message.get("do"):
            case "run":
                self._run(message, job)
            case "resume" if job in self._kept:
                self._sent[job] = start if isinstance(start, int) else 0
                self._tell(job)
            case "forget" if kept := self._kept.pop(job, None):
                self._sent.pop(job, None)
                kept.drop()
            case "ping":
                self._say({"is": "pong"})

    def _tell(self, job: str) -> None:
        """What the controller has not heard of a job, as far as there is a stream that wants it."""
        kept, self._tell_at = self._kept[job], 0.0
        for text, to in kept.output(self._sent.get(job, 0)):
            if job not in self._sent:
                return
            self._sent[job] = to
            self._say({"is": "log", "job": job, "text": text, "to": to})
        if kept.result and job in self._sent:
            for path, text, first in kept.files():
                self._say({"is": "file", "job": job, "path": path, "text": text, "first": first})
            self._say(done(job, kept.result))

    def _tell_phases(self, job: Job) -> None:
        """Tell which phases the running job has behind it, each once a stream, and whether it waits for S3.

        All phases come with its end.
        """
        self._phases_at = time.monotonic() + PHASE_SECONDS
        if job.order.job not in self._sent:
            return
        for phase, seconds in job.phases().items():
            if phase not in self._phases_told:
                self._phases_told.add(phase)
                self._say({"is": "phase", "job": job.order.job, "phase": phase, "seconds": seconds})
        if (why := job.outage()) != self._outage_told:
            self._outage_told = why
            self._say({"is": "outage", "job": job.order.job, "why": why})

    def _say(self, message: Message) -> None:
        if self._stream:
            try:
                self._stream.sendall(line(message))
            except OSError:
                self._drop_stream()

    # -- jobs --

    def _run(self, message: Message, job: str) -> None:
        if self._spoilt or self._job or job in self._kept:
            # it is about to end; or this very job is asked for again: the controller gives a busy worker no other
            return
        self._sent[job] = 0
        self._phases_told.clear()
        self._outage_told = ""
        self._phases_at = time.monotonic() + PHASE_SECONDS
        self._kept[job] = JobOutput(KEPT / job)
        try:
            order, root = _order(job, message), job_folder.make(job)
            self._job = Job(order, root, self._workplace.begin(order, root), self._disks, self._tool)
        except OSError as error:
            cause = "disk-full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "worker-lost"
            self._finish(job, Result(1, f"its working folder cannot be made: {error}", cause=cause))
            return
        self._selector.register(self._job.output, selectors.EVENT_READ)
        self._workplace.expect_job()

    def _on_output(self) -> None:
        assert self._job
        if data := self._job.read():
            self._kept[self._job.order.job].write(data)
            self._tell_at = self._tell_at or time.monotonic() + GATHER_SECONDS
        else:
            self._on_end(self._job)

    def _on_end(self, job: Job) -> None:
        self._selector.unregister(job.output)
        self._job = None
        result = job.result()
        self._workplace.keep()
        clean = self._tool is None or self._tool.clear()
        open_ = Confined(job.folder).open if self._tool else anywhere
        self._kept[job.order.job].keep_files(job.folder, job.order.logs, open_)
        spared = self._near_ends() | self._workplace.processes
        self._spoilt |= not (self._room.restore(spared) and clean)
        if result.cause == POD_DELETED:
            self.result = result  # not told: the pod's status will say who ended it, and why
        else:
            self._finish(job.order.job, result)

    def _finish(self, job: str, result: Result) -> None:
        self._kept[job].result = result
        self._heard = time.monotonic()  # the controller has this long to fetch it
        self._tell(job)

    def succeeded(self) -> list[str]:
        """Jobs that went well and whose end nobody has fetched."""
        return [job for job, kept in self._kept.items() if kept.result and kept.result.code == 0]

    def _near_ends(self) -> set[int]:
        """The process at the other end of the stream, which lives in this container and is not the job's."""
        if not self._stream:
            return set()
        credentials = self._stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return {struct.unpack("3i", credentials)[0]}


def _order(job: str, message: Message) -> Order:
    description, runtime, logs = (message.get(name) for name in ("description", "runtime", "logs"))
    return Order(
        job,
        description if isinstance(description, dict) else {},
        str(message.get("precommand") or ""),
        runtime if isinstance(runtime, int) else None,
        tuple(map(str, logs)) if isinstance(logs, list) else (),
    )
