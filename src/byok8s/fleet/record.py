"""What a run leaves on this machine: what each job has said, and all that has happened."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, TextIO

from byok8s.history import event
from byok8s.history.writer import History, history
from byok8s.pods.cause import FailureKind
from byok8s.pods.log_excerpt import LogExcerpt, excerpt
from byok8s.pods.manifest import PodPlan, Task
from byok8s.pods.outcome import Outcome, State
from byok8s.workspace import users_folder

OF_NO_NAME = re.compile(
    r"[\x00-\x1f\x7f]"
)  # no file, or no terminal that lists it, should have these in a name
LONGEST_PART = 200  # a file system's limit is 255 bytes
MOST_BEFORE = 20  # jobs that a job is noted to come after; what it has waited for is the last of them


def folder(run: str) -> Path:
    """Of a run's record, in the working folder."""
    return Path(".byok8s", "runs", run)


_STEPS: Final = ("worker.scheduled", "worker.started")  # of a pod that runs
_PHASES: Final = {"fetch": "job.fetched", "run": "job.ran", "store": "job.stored"}


@dataclass
class _Noted:
    """What is noted of a task under way. began: in a pod. phases: those that are over."""

    began: bool = False
    phases: set[str] = field(default_factory=set)


class Record:
    """.byok8s/runs/RUN/: logs/ has what jobs have said, and events.jsonl all that happens.

    Any thread may call. A disk that takes no more is told to on_trouble, once: whether the run can go on is for others
    to say.
    """

    def __init__(self, run: str, on_trouble: Callable[[str], None]) -> None:
        self._folder = folder(run)
        self._logs = self._folder / "logs"
        self._lock = threading.Lock()
        self._on_trouble = on_trouble
        self._in_trouble = False
        self._noted: dict[str, _Noted] = {}  # by task id: those under way
        self._pods: dict[str, set[str]] = {}  # what is noted of each that was asked for
        self._without_s3: set[str] = set()  # pods whose jobs wait for S3, and nothing for this machine
        self._ended: dict[str, int] = {}  # of each job that has ended: the how manieth it was
        self.events = of_run(run, self._tell)

    def log(self, task: Task) -> Path:
        return self._logs / f"{self._name(task)}.log"

    @staticmethod
    def _name(task: Task) -> str:
        return f"{task.title or task.rule.replace('/', '_')}-{task.id}"

    def said(self, task: Task) -> LogExcerpt | None:
        """Return the last that a job has said, as far as it is known here."""
        logs = {path: users_folder() / self.file(task, path) for path in task.logs}
        return excerpt(logs, users_folder() / self.log(task))

    def file(self, task: Task, path: str) -> Path:
        """Return where the copy of one of the rule's log files is."""
        return self.log(task).with_suffix("") / inside(path)

    def add_file(self, task: Task, path: str, words: Iterable[str], *, first: bool) -> None:
        """Add to the copy of one of the rule's log files. first: it is the beginning."""
        self._write(self.file(task, path), words, "w" if first else "a")

    def add_events(self, task: Task, rows: Iterable[str]) -> None:
        """What Kubernetes noted of the pod of a failed task."""
        self._write(self.log(task).with_suffix(".events"), (f"{row}\n" for row in rows), "w")

    def add_output(self, task: Task, words: Iterable[str], *, first: bool = False) -> None:
        """first: it is the beginning, whatever an earlier controller has noted."""
        self._write(self.log(task), words, "w" if first else "a")

    def planned(self, rules: Iterable[str]) -> None:
        """rules: one for each job that has to be done."""
        self.events.note("run.planned", {"jobs": Counter(rules)})

    def given(self, task: Task) -> None:
        with self._lock:
            self._noted[task.id] = _Noted()
            last = sorted(task.after or (), key=lambda job: self._ended.get(job, 0))[-MOST_BEFORE:]
        after = None if task.after is None else last[::-1]
        facts = {**_asked(task), "name": self._name(task), "after": after}
        self.events.note("job.given", facts)

    def began(self, task: Task, pod: str) -> bool:
        """Return whether that is new. pod: nothing for this machine."""
        with self._lock:
            noted = self._noted.get(task.id)
            if noted is None or noted.began:
                return False
            noted.began = True
        self.events.note("job.began", {"id": task.id, "pod": pod})
        return True

    def asked(self, plan: PodPlan) -> None:
        """A pod is asked for."""
        shape = plan.shape
        facts = {"pod": plan.name, "threads": shape.cores, "mem_mb": shape.memory_mb}
        with self._lock:
            self._pods[plan.name] = set()
        self.events.note("worker.created", facts)

    def pod(self, pod: str, found: Outcome) -> None:
        """Something new is known of a pod: what it is now, and so what it was in between."""
        name = _pod_event(found)
        for step in self._passed(pod, name, has_run=found.exit is not None):
            self.events.note(step, {"pod": pod, "node": found.node})
        cause = found.cause.value if found.cause else None
        facts: dict[str, object] = {"pod": pod, "node": found.node, "cause": cause, "why": found.why}
        facts["images"] = found.images or None
        self.events.note(name, facts)

    def _passed(self, pod: str, name: str, *, has_run: bool) -> list[str]:
        """Return the steps to `name` that were not seen, as one change came on the heels of the other."""
        steps = _STEPS[: _STEPS.index(name)] if name in _STEPS else _STEPS if has_run else ()
        with self._lock:
            if (noted := self._pods.get(pod)) is None:
                return []
            passed = [step for step in steps if step not in noted]
            noted.update(passed, [name])
        return passed

    def idle(self, pod: str) -> None:
        """A worker has nothing to do."""
        self.events.note("worker.idle", {"pod": pod})

    def outage(self, why: str, pod: str = "") -> None:
        """Note why S3 does not answer, or without a why that it does again. pod: that asks; nothing for us."""
        with self._lock:
            if bool(why) == (pod in self._without_s3):
                return
            self._without_s3 ^= {pod}
        self.events.note("s3.away" if why else "s3.back", {"pod": pod, "why": why})

    def succeeded_here(self, task: Task) -> None:
        """A job has ended well on this machine, which leaves neither a row nor a log."""
        self._note_end(task, "", Outcome(State.SUCCEEDED, exit=0))

    def phase(self, task: Task, phase: str, seconds: float) -> None:
        """A job under way has a phase behind it."""
        with self._lock:
            noted = self._noted.get(task.id)
            if noted is None or phase in noted.phases or phase not in _PHASES:
                return
            noted.phases.add(phase)
        self.events.note(_PHASES[phase], {"id": task.id, "seconds": seconds})

    def ended(self, task: Task, pod: str, found: Outcome, *, again: bool = False) -> None:
        """again: whether another try follows in any case; Snakemake's own follow a failure."""
        again = again or (found.state is not State.SUCCEEDED and task.restarts > 0)
        self._note_end(task, pod, found, again=again)
        # whoever is told of a failure is told of its log, also if it is empty
        if found.state is not State.SUCCEEDED:
            self._write(self.log(task), (), "a")

    def _note_end(self, task: Task, pod: str, found: Outcome, *, again: bool = False) -> None:
        """Note an end, and before it what was not told while the job ran: its phases, and that S3 has answered it."""
        measured = found.measured
        with self._lock:
            # a controller that resumes a run may not have given it
            self._noted.setdefault(task.id, _Noted())
        for phase, seconds in measured.phases():
            self.phase(task, phase, seconds)
        with self._lock:
            self._noted.pop(task.id, None)
            waited = bool(pod) and pod in self._without_s3
            self._without_s3 -= {pod} if waited else set()
            self._ended[task.job] = len(self._ended) + 1
        if waited and found.state is State.SUCCEEDED:
            self.events.note("s3.back", {"pod": pod})
        state = _ended_state(found)
        facts: dict[str, object] = {
            "id": task.id,
            "state": state,
            "exit": found.exit,
            "cause": found.cause.value if found.cause else None,
            "why": found.why,
            "again": again or None,
            "pod": pod,
            "node": found.node,
            "max_rss": measured.max_rss,
            "cpu_time": measured.cpu_time,
            "io_in": measured.io_in,
            "io_out": measured.io_out,
            **measured.moved(),
            "left": [asdict(item) for item in found.left] or None,
        }
        self.events.count(measured.moved())
        self.events.note("job.ended", facts, urgent=state != event.COMPLETE)

    def _write(self, path: Path, words: Iterable[str], mode: str) -> None:
        try:
            # a workdir: of the workflow changes the working folder
            with _opened(users_folder() / path, mode) as file:
                file.writelines(words)
        except OSError as error:
            self._tell(f"The run's record in {self._folder} is not complete: {error}.")

    def _tell(self, trouble: str) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            self._on_trouble(trouble)


def of_run(run: str, on_trouble: Callable[[str], None]) -> History:
    """Return the one writer of a run's events."""
    return history(users_folder().absolute() / folder(run) / event.FILE, on_trouble)


def _asked(task: Task) -> dict[str, object]:
    """Return what the event says of a job that is given."""
    return {
        "id": task.id,
        "job": task.job,
        "rule": task.rule,
        "rules": list(task.rules) or None,
        "at_once": task.at_once if task.rules else None,
        "wildcards": dict(task.wildcards) or None,
        "outputs": list(task.outputs) or None,
        "threads": task.shape.cores,
        "mem_mb": task.shape.mem_mb,
        "disk_mb": task.shape.disk_mb,
        "attempt": task.attempt + task.losses + task.ooms,
    }


def _pod_event(found: Outcome) -> str:
    if found.waits:
        return "worker.scheduled" if found.node else "worker.waits"
    return "worker.started" if found.state is State.RUNNING else "worker.gone"


def _ended_state(found: Outcome) -> str:
    if found.state is State.SUCCEEDED:
        return event.COMPLETE
    ours = found.cause is None or found.cause.kind is FailureKind.JOB
    return event.EXECUTOR_ERROR if ours else event.SYSTEM_ERROR


def inside(path: str) -> Path:
    """Return the path below a folder for a file that a pod names: whatever the name is, it leads to nowhere else."""
    parts = (OF_NO_NAME.sub("_", part)[:LONGEST_PART] for part in path.split("/"))
    return Path(*([part for part in parts if part not in {"", ".", ".."}] or ["_"]))


def _opened(path: Path, mode: str) -> TextIO:
    try:
        return path.open(mode, encoding="utf-8", errors="replace")  # type: ignore[return-value]
    except FileNotFoundError:  # looked at only then: it is asked for each piece of a job's output
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open(mode, encoding="utf-8", errors="replace")  # type: ignore[return-value]
