"""A pod for each task: for clusters where streams to pods are forbidden, and for users who want it so.

Values in, values out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from byok8s.fleet.commands import (
    CreatePod,
    DeletePod,
    KeepLog,
    NoteBegan,
    NoteGiven,
    SayWhyItWaits,
    Step,
    TaskEnded,
)
from byok8s.fleet.events import (
    Closed,
    Event,
    Left,
    LeftPod,
    LogKept,
    PodGone,
    PodMade,
    PodRefused,
    PodSeen,
    Submitted,
    Tick,
)
from byok8s.fleet.pending import GRACE_SECONDS
from byok8s.pods.cause import Cause
from byok8s.pods.manifest import Task, job_of, job_plan
from byok8s.pods.names import Names
from byok8s.pods.outcome import Outcome, State


@dataclass(frozen=True)
class Asked:
    """Its pod is being made, or there. since: when it was first asked for. making: the cluster has not answered yet."""

    task: Task
    since: float
    making: bool = True


@dataclass(frozen=True)
class Refused:
    """The namespace has no room for its pod. since: when that was first asked for."""

    task: Task
    since: float


@dataclass(frozen=True)
class Collecting:
    """Its pod has ended, and its log is being fetched."""

    task: Task
    found: Outcome


Single: TypeAlias = Asked | Refused | Collecting


class SinglePods:
    """A Placement. The ends of its tasks come with the status of their pods. out: gets what is to be done."""

    def __init__(self, names: Names, out: list[Step]) -> None:
        self._names, self._out = names, out
        self._pods: dict[str, Single] = {}  # by pod name: those of tasks under way
        self._left: dict[str, Outcome] = {}  # by pod name: of an earlier controller, with what was last read
        self._tries: dict[
            str, tuple[str, str]
        ] = {}  # by job: the try that such a pod is for, and the pod's name
        self._failed: set[str] = set()  # pods of an earlier controller that are being removed

    def handle(self, event: Event, now: float) -> None:
        match event:
            case Submitted(task):
                self._submit(task, now)
            case PodSeen(pod, found):
                self._on_seen(pod, found)
            case PodGone(pod, found):
                self._on_gone(pod, found)
            case PodMade(pod):
                self._on_made(pod)
            case PodRefused(pod, found):
                self._on_refused(pod, found, now)
            case LogKept(pod, trouble):
                self._on_kept(pod, trouble)
            case Tick():
                self._on_tick()
            case Left(pods):
                self._adopt(pods)
            case Closed():
                self._pods.clear()
            case _:  # a pod is made for a task, and not for what is expected; and no stream leads to it
                pass

    def has(self, pod: str) -> bool:
        return pod in self._left or isinstance(self._pods.get(pod), Asked)

    # -- from Snakemake --

    def _adopt(self, pods: Sequence[LeftPod]) -> None:
        """Keep what is left: a pod bears the id of its task, so a job that is given again finds it."""
        for pod in pods:
            if pod.found.state is State.FAILED:
                self._failed.add(pod.pod)
                self._out.append(DeletePod(pod.pod))
            else:
                self._left[pod.pod] = pod.found
                self._tries[job_of(pod.task_id)] = pod.task_id, pod.pod

    def _submit(self, task: Task, now: float) -> None:
        task_id, pod = self._tries.pop(task.job, ("", ""))
        if (left := self._left.pop(pod, None)) is None:
            self._create(self._unlike_failed(task), now)
            return
        task = replace(task, adopted=task_id)
        self._out.append(NoteGiven(task))
        self._pods[pod] = Asked(task, now, making=False)
        self._on_seen(pod, left)

    def _unlike_failed(self, task: Task) -> Task:
        """Return the try, or a later one whose pod has another name than one that an earlier controller has left.

        What is still read of that one must not be taken for news of another.
        """
        while job_plan(self._names, task).name in self._failed:
            task = replace(task, losses=task.losses + 1)
        return task

    # -- from the watch --

    def _on_seen(self, pod: str, found: Outcome) -> None:
        if pod in self._left:
            self._left[pod] = found
        elif isinstance(single := self._pods.get(pod), Asked):
            if found.ended:
                self._ended(pod, single.task, found)
            elif found.state is State.RUNNING:
                self._out.append(NoteBegan(single.task, pod))

    def _on_gone(self, pod: str, found: Outcome) -> None:
        self._left.pop(pod, None)
        if isinstance(single := self._pods.get(pod), Asked):
            self._ended(pod, single.task, found)

    def _ended(self, pod: str, task: Task, found: Outcome) -> None:
        self._pods[pod] = Collecting(task, found)
        if found.has_log:
            self._out.append(KeepLog(pod, task))
        else:
            self._on_kept(pod, "")

    # -- what became of requests --

    def _on_made(self, pod: str) -> None:
        if pod in self._left:
            return
        match self._pods.get(pod):
            case Asked() as asked:
                self._pods[pod] = replace(asked, making=False)
                self._try_again()
            case Collecting():
                pass
            case _:  # it has ended meanwhile, and perhaps before there was a pod to delete
                self._out.append(DeletePod(pod))

    def _on_refused(self, pod: str, found: Outcome, now: float) -> None:
        single = self._pods.get(pod)
        if not (isinstance(single, Asked) and single.making):
            return
        others = any(
            isinstance(other, Asked | Collecting) for name, other in self._pods.items() if name != pod
        )
        if found.cause is Cause.QUOTA and (others or now - single.since < GRACE_SECONDS):
            self._pods[pod] = Refused(single.task, single.since)
            self._out.append(SayWhyItWaits(pod, found))
        else:
            del self._pods[pod]
            self._out.append(TaskEnded(single.task, pod, found))

    def _on_kept(self, pod: str, trouble: str) -> None:
        if not isinstance(single := self._pods.get(pod), Collecting):
            return
        del self._pods[pod]
        found = single.found
        if trouble:
            why = f"{found.why}; its log cannot be kept: {trouble}".removeprefix("; ")
            found = replace(found, why=why)
        self._out.append(TaskEnded(single.task, pod, found))
        if found.cause is not Cause.POD_DELETED:
            self._out.append(DeletePod(pod))

    # -- with time --

    def _on_tick(self) -> None:
        if not any(isinstance(single, Asked) and single.making for single in self._pods.values()):
            self._try_again()

    def _try_again(self) -> None:
        """Try the oldest of those that the namespace had no room for; the next once that one is made."""
        refused = next((single for single in self._pods.values() if isinstance(single, Refused)), None)
        if refused:
            self._create(refused.task, refused.since)

    def _create(self, task: Task, since: float) -> None:
        plan = job_plan(self._names, task)
        self._pods[plan.name] = Asked(task, since)
        self._out.append(CreatePod(plan))
