"""Carries out what the controller's core wants done: requests, streams, the record, and what is told to the user."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Protocol, TypeAlias

from byok8s.errors import Byok8sError
from byok8s.fleet import commands
from byok8s.fleet.commands import Command, Note, Request, ToStream
from byok8s.fleet.crew import Crew
from byok8s.fleet.events import Event, LogKept, OwnerSeen, PodMade, PodRefused
from byok8s.fleet.interrupts import interrupt
from byok8s.fleet.record import Record
from byok8s.fleet.streams import WorkerStream
from byok8s.pods import events as pod_events
from byok8s.pods.manifest import PodPlan, Task
from byok8s.pods.outcome import Outcome, State, refused
from byok8s.run_objects.objects import RunObjects
from byok8s.worker.sections import sections

REQUESTS = 4  # at once, to create and delete pods
COLLECTORS = 4  # logs of single pods at once
REPORTERS = 8  # what is told to Snakemake at once; S3 may be asked for what a job does not tell

OnBegin: TypeAlias = "Callable[[Task, str], None]"
"""on_begin(task, pod): told once for each try that begins; it must wait for nothing."""

OnEnd: TypeAlias = "Callable[[Task, str, Outcome], None]"
"""on_end(task, pod, outcome): told once for each task, from any thread; the task's log is complete by then."""

AUTOSCALER = {
    True: " An autoscaler makes a node for it.",
    False: " The autoscaler makes no node for it.",
    None: "",
}


class Logger(Protocol):
    """Snakemake's."""

    def info(self, words: str) -> None: ...

    def warning(self, words: str) -> None: ...


class Effects:
    """`carry_out` is for one thread, and waits for nothing. put: takes the outcomes, as events.

    on_begin: told of each try that begins. on_end: of each task's last try. on_crash: of what should never happen, in a
    thread of ours.
    """

    def __init__(
        self,
        cluster: RunObjects,
        record: Record,
        logger: Logger,
        put: Callable[[Event], None],
        on_begin: OnBegin,
        on_end: OnEnd,
        on_crash: Callable[[Exception], None],
    ) -> None:
        self._cluster, self._record, self._logger = cluster, record, logger
        self._put, self._on_begin, self._on_end = put, on_begin, on_end
        self._closed = threading.Event()
        self._streams: dict[str, WorkerStream] = {}  # by pod
        # an exit waits for these: what was being created is deleted
        self._requests = ThreadPoolExecutor(REQUESTS, thread_name_prefix="pods")
        self._evidence = ThreadPoolExecutor(2, thread_name_prefix="evidence")
        self._collectors = ThreadPoolExecutor(COLLECTORS, thread_name_prefix="collect")
        self._reports = Crew("report", REPORTERS, on_crash)

    def end(self) -> None:
        """Carry out no request any more. Waits for nothing."""
        self._closed.set()
        self._cluster.stop_waiting()
        self._requests.shutdown(wait=False, cancel_futures=True)
        self._evidence.shutdown(wait=False)
        self._collectors.shutdown(wait=False)
        self._reports.end()

    def carry_out(self, command: Command) -> None:
        match command:
            case (
                commands.Connect()
                | commands.Disconnect()
                | commands.Run()
                | commands.Resume()
                | commands.AwaitEnd()
                | commands.Forget()
            ):
                self._to_stream(command)
            case (
                commands.NoteGiven()
                | commands.NoteBegan()
                | commands.NoteEnded()
                | commands.NotePod()
                | commands.NoteIdle()
                | commands.Report()
                | commands.Warn()
                | commands.EndRun()
            ):
                self._note(command)
            case _:
                self._request(command)

    # -- streams --

    def _to_stream(self, command: ToStream) -> None:
        if isinstance(command, commands.Connect):
            self._streams[command.pod] = WorkerStream(self._cluster, command.pod, self._record, self._put)
            return
        if stream := self._streams.get(command.pod):
            self._tell(stream, command)

    def _tell(self, stream: WorkerStream, command: ToStream) -> None:
        match command:
            case commands.Run(_, task):
                stream.run(task)
            case commands.Resume(_, task):
                stream.resume(task)
            case commands.AwaitEnd(_, task_id):
                stream.await_end(task_id)
            case commands.Forget(_, task_id):
                stream.forget(task_id)
            case commands.Disconnect(pod):
                del self._streams[pod]
                stream.end()

    # -- the record, the user and Snakemake --

    def _note(self, command: Note) -> None:
        match command:
            case commands.NoteGiven(task):
                self._record.given(task)
            case commands.NoteBegan(task, pod):
                self._began(task, pod)
            case commands.NotePod(pod, found):
                self._record.pod(pod, found)
            case commands.NoteIdle(pod):
                self._record.idle(pod)
            case commands.NoteEnded(task, pod, found):
                self._reports.submit(partial(self._ended, task, pod, found, again=True))
            case commands.Report(task, pod, found):
                self._reports.submit(partial(self._report, task, pod, found))
            case commands.Warn(words):
                self._logger.warning(words)
            case commands.EndRun():
                self._logger.warning(
                    f"Job {self._cluster.names.owner} is gone, to which all of this run belongs: somebody has deleted "
                    "it, or its lease has run out. The run ends."
                )
                interrupt()

    def _began(self, task: Task, pod: str) -> None:
        if self._record.began(task, pod):
            self._on_begin(task, pod)

    def _ended(self, task: Task, pod: str, found: Outcome, *, again: bool = False) -> None:
        if found.state is State.SUCCEEDED or any(found.measured.phases()):
            self._began(task, pod)  # its pod may have ended before it was seen to run
        self._record.ended(task, pod, found, again=again)

    def _report(self, task: Task, pod: str, found: Outcome) -> None:
        self._ended(task, pod, found)
        self._on_end(task, pod, found)

    # -- requests, in other threads --

    def _request(self, command: Request) -> None:
        pool, work = self._work(command)
        with suppress(RuntimeError):  # the run has just ended, and the pool with it
            pool.submit(work)

    def _work(self, command: Request) -> tuple[ThreadPoolExecutor, Callable[[], None]]:
        match command:
            case commands.CreatePod(plan):
                self._record.asked(plan)
                return self._requests, partial(self._create_pod, plan)
            case commands.DeletePod(pod):
                return self._requests, partial(self._delete_pod, pod)
            case commands.AskOwner():
                return self._evidence, self._ask_owner
            case commands.KeepEvents(pod, task):
                return self._evidence, partial(self._keep_events, pod, task)
            case commands.SayWhyItWaits(pod, found):
                return self._evidence, partial(self._say_why_it_waits, pod, found)
            case commands.KeepLog(pod, task):
                return self._collectors, partial(self._keep_log, pod, task)

    def _create_pod(self, plan: PodPlan) -> None:
        try:
            self._cluster.create_pod(plan)
        except Byok8sError as error:
            self._put(PodRefused(plan.name, refused(error)))
            return
        if self._closed.is_set():  # all others are deleted by now
            self._delete_pod(plan.name)
        self._put(PodMade(plan.name))

    def _delete_pod(self, pod: str) -> None:
        with suppress(Byok8sError):  # then it is left until the run's end
            self._cluster.delete_pod(pod)

    def _ask_owner(self) -> None:
        over = False
        with suppress(Byok8sError):
            over = self._cluster.is_over()
        self._put(OwnerSeen(over))

    def _keep_events(self, pod: str, task: Task) -> None:
        with suppress(Byok8sError, OSError):
            self._record.add_events(task, map(pod_events.line, self._cluster.events(pod)))

    def _say_why_it_waits(self, pod: str, found: Outcome) -> None:
        reading = pod_events.Reading()
        if found.state is State.UNPLACED:
            with suppress(Byok8sError):
                reading = pod_events.read(self._cluster.events(pod))
        self._logger.info(f"{pod} waits: {found.why.rstrip('.')}.{AUTOSCALER[reading.autoscaler]}")

    def _keep_log(self, pod: str, task: Task) -> None:
        trouble = ""
        try:
            self._keep(task, self._cluster.log(pod))
        except (Byok8sError, OSError) as error:
            trouble = str(error)
        self._put(LogKept(pod, trouble))

    def _keep(self, task: Task, log: Iterable[str]) -> None:
        """Keep the job's output, and the rule's log files."""
        self._record.add_output(task, (), first=True)
        for path, group in groupby(sections(log), key=itemgetter(0)):
            rows = (row for _, row in group)
            if path:
                self._record.add_file(task, path, rows, first=True)
            else:
                self._record.add_output(task, rows)
