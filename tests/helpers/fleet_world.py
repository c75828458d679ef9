"""A cluster, its workers and Snakemake, as far as the controller's core can tell: obeys, fails at will, and checks."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from byok8s.fleet import commands, events
from byok8s.fleet.events import Event, LeftPod
from byok8s.fleet.fleet import Fleet, Options
from byok8s.fleet.retries import RetryPolicy
from byok8s.fleet.room import takes
from byok8s.pods.cause import Cause
from byok8s.pods.manifest import PodPlan, Shape, Task, job_of
from byok8s.pods.names import Names
from byok8s.pods.outcome import Outcome, State
from byok8s.worker.protocol import Result

NAMES = Names("run-1", "key", "uid")
SHAPES = [Shape(1, 500), Shape(1, 800), Shape(1, 2000), Shape(2, 800), Shape(1, 500, disk_mb=100)]
SHAPES += [Shape(1, 500, tool="image")]
QUOTA = Outcome(State.FAILED, "exceeded quota", cause=Cause.QUOTA)
INVALID = Outcome(State.FAILED, "the cluster does not take its pod", cause=Cause.POD_INVALID)
UNPLACED = Outcome(State.UNPLACED, "no node takes it yet", cause=Cause.UNSCHEDULABLE)
STUCK = Outcome(State.STUCK, "its image cannot be pulled", cause=Cause.IMAGE_NOT_FOUND)
RUNNING = Outcome(State.RUNNING, node="node-1")
EVICTED = Outcome(State.FAILED, "its pod was evicted", cause=Cause.EVICTED)
SUCCEEDED = Outcome(State.SUCCEEDED, has_log=True)
RESULTS = [
    Result(0),
    Result(1, "exit code 1", cause="exit-code"),
    Result(1, "S3 is away", cause="s3-unreachable"),
]


Action: TypeAlias = Callable[[], None]


def task(job: str, shape: Shape = SHAPES[0]) -> Task:
    return Task(job, "rule", shape, {"bucket": "b", "key": job})


@dataclass
class Pod:
    """found: its status, None before it is made. jobs: of a worker, by id: None while they run. unwanted: somebody has
    had it deleted. wanted: a stream to it is. single: the job that is its only one.
    """

    plan: PodPlan
    found: Outcome | None = None
    jobs: dict[str, Result | None] = field(default_factory=dict)
    unwanted: bool = False
    wanted: bool = False
    connected: bool = False
    single: str = ""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def takes_room(self) -> bool:
        return not (self.found and self.found.ended)

    @property
    def alive(self) -> bool:
        """Whether it takes room, and nobody has had it deleted."""
        return self.takes_room and not self.unwanted

    @property
    def under_way(self) -> list[str]:
        """The ids of a worker's tasks that run."""
        return [task_id for task_id, result in self.jobs.items() if result is None]

    @property
    def running(self) -> list[str]:
        """The jobs that it runs."""
        return [self.single] if self.single else [job_of(task_id) for task_id in self.under_way]


class World:
    """actions(): what may happen next. What comes from one source comes in its order, each source in its own time."""

    def __init__(self, *, limit: int, reuse: bool) -> None:
        self.options = Options(RetryPolicy(oom_retries=1), limit, reuse, 60.0)
        self.fleet = Fleet(NAMES, self.options)
        self.now = 0.0
        self.pods: dict[str, Pod] = {}
        self.asked: list[commands.Request] = []
        self.sources: dict[str, deque[Event]] = {}
        self.unfinished: dict[str, Task] = {}
        self.to_submit: list[Task] = []
        self.ended: Counter[str] = Counter()
        self.made = 0
        self.left_alive = 0
        self.delivered: Event = events.Tick()

    # -- what may happen --

    def actions(self, *, faults: bool) -> list[Action]:
        """Return what may happen next; if faults are among it, more often what goes well."""
        found: list[Action] = [partial(self.wait, 5.0)]
        found += [partial(self.submit, at) for at in range(len(self.to_submit))]
        found += [partial(self.deliver, name) for name in self.sources]
        found += [partial(self.answer, ask) for ask in self.asked]
        for pod in self.pods.values():
            found += self._progress(pod)
        return found * 4 + self._faults() if faults else found

    def _progress(self, pod: Pod) -> list[Action]:
        if pod.found and pod.found.waits:
            return [partial(self.see, pod, RUNNING)]
        if pod.found and pod.found.state is State.RUNNING:
            found: list[Action] = [partial(self.finish, pod, job, RESULTS[0]) for job in pod.under_way]
            if pod.single:
                found.append(partial(self.see, pod, SUCCEEDED))
            if pod.wanted and not pod.connected:
                found.append(partial(self.connect, pod))
            return found
        return []

    def _faults(self) -> list[Action]:
        found: list[Action] = [partial(self.wait, 20.0), partial(self.wait, 70.0), self.again, self.restart]
        if len(self.unfinished) < 2 * self.options.limit:
            found += [partial(self.new_task, shape) for shape in SHAPES] * 2
        found += [partial(self.refuse, ask, why) for ask in self.asked for why in (QUOTA, INVALID)]
        for pod in self.pods.values():
            found += self._faults_of(pod)
        return found

    def _faults_of(self, pod: Pod) -> list[Action]:
        if pod.found is None or pod.found.ended:
            return []
        found: list[Action] = [partial(self.see, pod, EVICTED), partial(self.delete, pod)]
        if pod.found.waits:
            return [*found, partial(self.see, pod, UNPLACED), partial(self.see, pod, STUCK)]
        failed: list[Action] = [
            partial(self.finish, pod, job, why) for job in pod.under_way for why in RESULTS[1:]
        ]
        told: list[Action] = [partial(self.see, pod, RUNNING, leaving=True), partial(self.cut, pod)]
        return [*found, *failed, *told, partial(self.unusable, pod)]

    # -- Snakemake and the clock --

    def new_task(self, shape: Shape) -> None:
        job = f"job{len(self.ended) + len(self.unfinished)}x{len(self.ended)}"
        self.unfinished[job] = task(job, shape)
        self.to_submit.append(self.unfinished[job])

    def submit(self, at: int) -> None:
        self.handle(events.Submitted(self.to_submit.pop(at)))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.handle(events.Tick())

    def again(self) -> None:
        """The last event comes twice."""
        if not isinstance(self.delivered, events.Submitted | events.Left):
            self.handle(self.delivered)

    def restart(self) -> None:
        """The controller is killed, and another goes on with its run: what it has asked for is done, or never was."""
        for ask in self.asked:
            if not isinstance(ask, commands.CreatePod) or ask.plan.name[-1] in "02468ace":
                self._carry_out(ask)
        self.asked, self.sources = [], {}
        self.fleet = Fleet(NAMES, self.options)
        self.pods = {pod.name: pod for pod in self.pods.values() if pod.found}
        there = list(self.pods.values())
        for pod in there:
            pod.connected = pod.wanted = pod.unwanted = False
        self.left_alive = len(there)
        self.to_submit = list(self.unfinished.values())
        self.handle(events.Left(tuple(map(_left, there))))

    # -- the watch, requests and streams --

    def deliver(self, source: str) -> None:
        queue = self.sources[source]
        event = queue.popleft()
        if not queue:
            del self.sources[source]
        self.handle(event)

    def _put(self, source: str, event: Event) -> None:
        self.sources.setdefault(source, deque()).append(event)

    def see(self, pod: Pod, found: Outcome, *, leaving: bool = False) -> None:
        pod.found = found
        if found.ended:
            pod.jobs, pod.connected, pod.wanted = {}, False, False
        self._put("watch", events.PodSeen(pod.name, found, leaving))

    def delete(self, pod: Pod) -> None:
        del self.pods[pod.name]
        self._put("watch", events.PodGone(pod.name))

    def answer(self, ask: commands.Request) -> None:
        self.asked.remove(ask)
        answer = self._carry_out(ask)
        if answer:
            self._put(f"request {len(self.sources)} {self.now} {ask}", answer)

    def _carry_out(self, ask: commands.Request) -> Event | None:
        match ask:
            case commands.CreatePod(plan):
                pod = self.pods[plan.name]
                pod.found = Outcome(State.WAITING)
                self._put("watch", events.PodSeen(plan.name, pod.found))
                return events.PodMade(plan.name)
            case commands.DeletePod(name):
                if (there := self.pods.get(name)) and there.found:
                    self.delete(there)
            case commands.AskOwner():
                return events.OwnerSeen(over=False)
            case commands.KeepLog(pod=name):
                return events.LogKept(name)
        return None

    def refuse(self, ask: commands.Request, found: Outcome) -> None:
        if isinstance(ask, commands.CreatePod):
            self.asked.remove(ask)
            del self.pods[ask.plan.name]
            self._put(f"refusal {ask.plan.name} {self.now}", events.PodRefused(ask.plan.name, found))

    def connect(self, pod: Pod) -> None:
        pod.connected = True
        self._put(pod.name, events.Hello(pod.name, {job: result is None for job, result in pod.jobs.items()}))

    def cut(self, pod: Pod) -> None:
        pod.connected = False

    def unusable(self, pod: Pod) -> None:
        if pod.connected:
            pod.connected = pod.wanted = False
            self._put(pod.name, events.Unusable(pod.name, "it speaks another version"))

    def finish(self, pod: Pod, task_id: str, result: Result) -> None:
        pod.jobs[task_id] = result
        self._tell(pod, task_id)

    def _tell(self, pod: Pod, task_id: str) -> None:
        result = pod.jobs.get(task_id)
        if pod.connected and result:
            self._put(pod.name, events.TaskDone(pod.name, task_id, result))

    # -- the core's commands --

    def handle(self, event: Event) -> None:
        self.delivered = event
        for command in self.fleet.handle(event, self.now):
            self._obey(command)

    def _obey(self, command: commands.Command) -> None:  # noqa: C901 - a line or two for each command
        match command:
            case commands.CreatePod(plan):
                self._check_new(plan)
                self.asked.append(command)
            case commands.DeletePod(name):
                if name in self.pods:
                    self.pods[name].unwanted = True
                self.asked.append(command)
            case commands.KeepLog() | commands.AskOwner():
                self.asked.append(command)
            case commands.Connect(name) if pod := self.pods.get(name):
                pod.wanted = bool(pod.found and pod.found.state is State.RUNNING)
            case commands.Disconnect(name) if pod := self.pods.get(name):
                pod.connected = pod.wanted = False
            case commands.Run(name, of):
                self._run(name, of)
            case commands.Resume(name, of) if pod := self.pods.get(name):
                self._tell(pod, of.id)
            case commands.AwaitEnd(name, task_id) if pod := self.pods.get(name):
                self._tell(pod, task_id)
            case commands.Forget(name, task_id) if pod := self.pods.get(name):
                if pod.connected:
                    pod.jobs.pop(task_id, None)
            case commands.Report(of):
                assert of.job in self.unfinished, "it has ended once already, or nobody has asked for it"
                del self.unfinished[of.job]
                self.ended[of.job] += 1

    def _check_new(self, plan: PodPlan) -> None:
        old = self.pods.get(plan.name)
        assert not old or old.single, "no two workers have one name"
        single = plan.arguments[-1] if plan.arguments[0] == "one" else ""
        self.pods[plan.name] = Pod(plan, single=single)
        if single:
            self._check_only(plan.name, single)
        else:
            alive = sum(pod.alive for pod in self.pods.values())
            assert alive <= max(self.options.limit, self.left_alive), "no more workers than the limit"

    def _run(self, name: str, of: Task) -> None:
        pod = self.pods.get(name)
        if not (pod and pod.connected):
            return  # what became of the pod is on its way
        assert takes(pod.plan.shape, of.shape, self.options.reuse_factor), "the pod has room for the task"
        self._check_only(name, of.job)
        if of.id not in pod.jobs:
            assert not pod.running, "a worker has one task at a time"
            pod.jobs[of.id] = None

    def _check_only(self, name: str, job: str) -> None:
        others = [
            pod.name for pod in self.pods.values() if pod.alive and pod.name != name and job in pod.running
        ]
        assert not others, "no task runs in two pods at once"

    # -- the end --

    def drain(self) -> None:
        """Let all that is under way go well, and then time pass until nobody would keep a pod."""
        for round_ in range(1000):
            actions = self.actions(faults=False)
            if len(actions) == 1 and not self.unfinished:
                break
            actions[round_ % len(actions)]()
        for _ in range(30):
            self.wait(5.0)
            while len(actions := self.actions(faults=False)) > 1:
                actions[-1]()


def _left(pod: Pod) -> LeftPod:
    assert pod.found
    number = None if pod.single else int(pod.plan.labels["byok8s.io/worker"])
    task_id = pod.plan.labels.get("byok8s.io/job", "")
    return LeftPod(pod.name, pod.found, number, pod.plan.shape, task_id)


def run(numbers: Sequence[int], *, limit: int, reuse: bool) -> World:
    """Let happen what the numbers choose, one after another, and then nothing bad any more."""
    world = World(limit=limit, reuse=reuse)
    for number in numbers:
        actions = world.actions(faults=True)
        actions[number % len(actions)]()
    world.drain()
    return world
