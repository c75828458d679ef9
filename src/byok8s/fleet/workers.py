"""The workers: one for each ready task, up to the limit, and each takes one task after another.

Those that no node takes yet stay pending: they are what an autoscaler looks at. Values in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from byok8s.fleet import commands, events
from byok8s.fleet.adoption import Adoption
from byok8s.fleet.commands import Step
from byok8s.fleet.events import Event, LeftPod
from byok8s.fleet.pending import GRACE_SECONDS
from byok8s.fleet.queues import Queues
from byok8s.fleet.roster import Roster
from byok8s.fleet.worker import Stage, Worker
from byok8s.pods.cause import Cause
from byok8s.pods.manifest import Shape, Task, worker_plan
from byok8s.pods.names import Names
from byok8s.pods.outcome import Outcome, State, of_result
from byok8s.worker.protocol import Result

IDLE_SECONDS = 60.0
ENDED = Outcome(State.FAILED, "its pod ended while the job was under way", cause=Cause.WORKER_LOST)
SILENT = Outcome(State.FAILED, "it does not answer", cause=Cause.WORKER_LOST)


class Workers:
    """A Placement. A worker takes a task if its pod has what the task asks for, and at most `factor` times that.

    limit: workers at once, of all shapes. out: gets what is to be done.
    """

    def __init__(self, names: Names, limit: int, factor: float, out: list[Step]) -> None:
        self._names, self._limit, self._out = names, limit, out
        self._roster = Roster()
        self._queues = Queues()
        self._factor = factor
        self._adopted = Adoption()
        self._held: list[Task] = []  # given before it is known what an earlier controller's workers have
        self._expected: Sequence[Shape] = ()
        self._making: dict[str, Shape] = {}  # by pod: those whose creation has not been answered
        self._no_quota: dict[Shape, float] = {}  # since when the namespace has had no room for them
        self._made = 0

    def handle(self, event: Event, now: float) -> None:  # noqa: C901 - a line for each event
        match event:
            case events.Submitted(task):
                self._held.append(task)
                self._release(now)
            case events.Hello(pod, jobs) if worker := self._roster.get(pod):
                self._on_hello(worker, jobs, now)
            case events.TaskDone(pod, task_id, result) if worker := self._roster.get(pod):
                self._on_done(worker, task_id, result, now)
            case events.PodSeen(pod, found) if worker := self._roster.get(pod):
                self._on_seen(worker, found, now)
            case events.PodGone(pod, found) if worker := self._roster.get(pod):
                self._lose(worker, found, now)
            case events.Unusable(pod, why) if worker := self._roster.get(pod):
                self._out.append(commands.DeletePod(pod))
                self._lose(worker, Outcome(State.FAILED, why, cause=Cause.WORKER_LOST), now)
            case events.PodMade(pod):
                self._on_made(pod, now)
            case events.PodRefused(pod, found):
                self._on_refused(pod, found, now)
            case events.Tick():
                self._on_tick(now)
            case events.Left(pods):
                self._adopt(pods, now)
            case events.Expected(shapes):  # workers for tasks that will soon be submitted
                self._expected = shapes
                self._release(now)
            case events.Closed():
                for worker in self._roster.all():
                    self._remove(worker)

    def has(self, pod: str) -> bool:
        return pod in self._roster

    # -- from Snakemake --

    def _adopt(self, pods: Sequence[LeftPod], now: float) -> None:
        for name, shape in self._adopted.find(pods, now):
            self._roster.add(Worker(name, shape, now, stage=Stage.RUNNING))
            self._out.append(commands.Connect(name))
        self._made = self._adopted.next_number
        self._out += [commands.DeletePod(pod.pod) for pod in pods if pod.pod not in self._roster]

    def _release(self, now: float) -> None:
        """Go on with what was held until it is known what an earlier controller's workers have."""
        if self._adopted.waiting:
            return
        expected, self._expected = self._expected, ()
        for shape in expected[: max(0, self._limit - len(self._roster))]:
            self._start_worker(shape, now)
        held, self._held = self._held, []
        for task in held:
            self._place(task, now)

    def _place(self, task: Task, now: float) -> None:
        match self._adopted.claim(task):
            case None:
                self._give(task, now)
            case claimed, "":
                self._out += [
                    commands.NoteGiven(claimed),
                    commands.TaskEnded(claimed, "", Outcome(State.SUCCEEDED)),
                ]
            case claimed, pod:
                worker = self._roster[pod]  # of one that is lost, nothing can be claimed
                worker.claimed[claimed.id] = claimed
                self._out += [
                    commands.NoteGiven(claimed),
                    commands.NoteBegan(claimed, pod),
                    commands.Resume(pod, claimed),
                ]

    def _on_seen(self, worker: Worker, found: Outcome, now: float) -> None:
        if found.ended:
            if found.lingers:
                self._out.append(commands.DeletePod(worker.pod))
            # a worker that ends well has still not ended the task that it had
            self._lose(worker, ENDED if found.state is State.SUCCEEDED else found, now)
        elif found.state is State.RUNNING:
            worker.node = found.node
            if worker.stage is not Stage.RUNNING:
                worker.stage = Stage.RUNNING
                self._out.append(commands.Connect(worker.pod))
        elif worker.stage is not Stage.RUNNING:
            worker.stage = Stage.UNPLACED if found.state is State.UNPLACED else Stage.PENDING
            self._make_room()

    def _on_made(self, pod: str, now: float) -> None:
        shape = self._making.pop(pod, None)
        if shape:
            self._no_quota.pop(shape, None)
        if pod in self._roster:
            return
        self._out.append(commands.DeletePod(pod))  # it was retired, or lost, before there was a pod to delete
        if shape:
            self._start_workers(shape, now)

    def _on_refused(self, pod: str, found: Outcome, now: float) -> None:
        asked = self._making.pop(pod, None)
        worker = self._roster.get(pod)
        if asked is None or worker is None:
            return
        if found.cause is Cause.QUOTA and self._wait_for_quota(worker, now):
            self._out.append(commands.SayWhyItWaits(pod, found))
        else:
            self._lose(worker, found, now)

    def _wait_for_quota(self, worker: Worker, now: float) -> bool:
        """Wait for room while there are other workers, whose end may make it, and else for the grace."""
        since = self._no_quota.setdefault(worker.shape, now)
        if len(self._roster) == 1 and now - since > GRACE_SECONDS:
            return False
        self._remove(worker)
        self._make_room()
        return True

    def _on_hello(self, worker: Worker, jobs: Mapping[str, bool], now: float) -> None:
        self._roster.arrive(worker)
        lost = worker.unknown_to(jobs)
        others = {job: runs for job, runs in jobs.items() if not worker.wanted(job)}
        self._adopted.heard(worker.pod, others)
        worker.earlier = next((job for job, runs in others.items() if runs), worker.earlier)
        self._out += worker.catch_up(jobs)
        unwanted = [job for job, runs in others.items() if not runs and not self._adopted.knows(job)]
        self._out += [commands.Forget(worker.pod, job) for job in unwanted if job != worker.earlier]
        self._out += [commands.TaskEnded(task, worker.pod, ENDED) for task in lost]
        self._rest(worker, now)
        self._release(now)

    def _on_done(self, worker: Worker, task_id: str, result: Result, now: float) -> None:
        task, pod = worker.wanted(task_id), worker.pod
        worker.finish(task_id)
        if task:  # else it is kept there: somebody may claim it yet
            found = of_result(result, worker.node)
            self._out += [
                commands.TaskEnded(task, pod, found, worker.shape.memory_mb),
                commands.Forget(pod, task_id),
            ]
        if worker.there:
            self._rest(worker, now)

    # -- with time --

    def _on_tick(self, now: float) -> None:
        for pod in self._adopted.silent(now):  # their jobs would run twice if they answered later
            self._out.append(commands.DeletePod(pod))
            self._lose(self._roster[pod], SILENT, now)
        self._release(now)
        for worker in self._spare(until=now - IDLE_SECONDS):
            self._retire(worker)
        self._start_starved(now)
        for shape in list(self._no_quota):  # one more worker at a time is tried
            if self._queues.length(shape) and not self._roster.coming(shape):
                self._retire_for(1)
                if len(self._roster) < self._limit:
                    self._start_worker(shape, now)

    # -- who takes what --

    def _give(self, task: Task, now: float) -> None:
        if worker := self._roster.idle_for(task, self._factor):
            self._run(worker, task)
        else:
            self._queues.add(task)
            self._start_workers(task.shape, now)

    def _rest(self, worker: Worker, now: float) -> None:
        """Give a worker a task if it has nothing to do; if there is none for it, others may need its room."""
        if worker.busy:
            self._roster.occupy(worker)
        elif task := self._queues.take_for(worker.shape, self._factor):
            self._run(worker, task)
        elif worker.idle_since is None:
            self._out.append(commands.NoteIdle(worker.pod))
            self._roster.rest(worker, now)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Start the workers that tasks wait for, and make room for them."""
        for shape in self._queues.shapes():
            self._start_workers(shape, now)
        self._make_room()

    def _run(self, worker: Worker, task: Task) -> None:
        self._roster.occupy(worker)
        worker.begin(task)
        self._out += [commands.NoteBegan(task, worker.pod), commands.Run(worker.pod, task)]

    def _start_workers(self, shape: Shape, now: float) -> None:
        """Start as many workers as the tasks of this shape can use, besides those on their way."""
        waiting = self._queues.length(shape)
        wanted = max(0, waiting - self._roster.coming(shape)) if waiting else 0
        if not wanted or shape in self._no_quota:
            return
        # Snakemake gives us no more tasks at once than the limit, so what is beyond it has nothing to do; or it has a
        # task of an earlier controller's, whose end is waited for
        self._retire_for(wanted)
        for _ in range(min(wanted, self._limit - len(self._roster))):
            self._start_worker(shape, now)

    def _start_starved(self, now: float) -> None:
        """Start workers for tasks for which none was, as the limit was reached."""
        for shape in self._queues.shapes():
            if not self._roster.any_of(shape):
                self._start_workers(shape, now)

    def _start_worker(self, shape: Shape, now: float) -> None:
        plan = worker_plan(self._names, shape, self._made)
        self._made += 1
        self._making[plan.name] = shape
        self._roster.add(Worker(plan.name, shape, now))
        self._out.append(commands.CreatePod(plan))

    # -- who goes --

    def _lose(self, worker: Worker, found: Outcome, now: float) -> None:
        """End the task of a worker that is gone. Others wait for another worker, unless no pod of their shape runs."""
        self._remove(worker)
        lost = worker.tasks
        if worker.stage is Stage.RUNNING:
            self._start_workers(worker.shape, now)
        elif not self._roster.any_of(worker.shape):
            lost += self._queues.remove(worker.shape)
        self._out += [commands.TaskEnded(task, worker.pod, found, worker.shape.memory_mb) for task in lost]
        self._start_starved(now)
        self._release(now)

    def _make_room(self) -> None:
        """If tasks wait for a node or for quota, retire the workers that have nothing to do and stand in their way."""
        if not self._queues.shapes():
            return
        short = self._roster.unplaced() | self._no_quota.keys()
        if any(self._queues.length(shape) for shape in short):
            for worker in self._spare():
                self._retire(worker)

    def _retire_for(self, wanted: int) -> None:
        if (beyond := len(self._roster) + wanted - self._limit) > 0:
            for worker in self._spare()[:beyond]:
                self._retire(worker)

    def _spare(self, until: float | None = None) -> list[Worker]:
        """Return the workers that have nothing to do, and that no task waits for.

        until: and have had nothing to do since then.
        """
        free = self._roster.free(until)
        return [worker for worker in free if not self._queues.length(worker.shape)]

    def _retire(self, worker: Worker) -> None:
        self._remove(worker)
        self._out.append(commands.DeletePod(worker.pod))

    def _remove(self, worker: Worker) -> None:
        self._roster.remove(worker)
        self._adopted.lost(worker.pod)
        if worker.stage is Stage.RUNNING:
            self._out.append(commands.Disconnect(worker.pod))
