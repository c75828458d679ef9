"""What became of a pod, read from its status. Values in, values out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from byok8s.kube.json import Json, Object, get_in, items, text

# The kubelet goes on trying after these, without end; none of them mends itself while a job waits.
# ErrImagePull is not among them: the first failed pull may be a passing fault; ImagePullBackOff follows it.
STUCK = frozenset(
    {
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


SHOWN_LINES = 15


class State(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """The state of a pod, or of the one job in it, in one sentence where there is something to say.

    last_lines: of the job's log, as the worker left them. has_log: whether the API has the whole of it.
    unplaced: the pod waits for a node that takes it.
    """

    state: State
    why: str = ""
    last_lines: str = ""
    node: str = ""
    has_log: bool = False
    unplaced: bool = False

    def words(self, pod: str, log: Path | None) -> str:
        """For the person whose job has failed. log: the file of the whole log, where there is one."""
        where = f"pod {pod}" + (f" on node {self.node}" if self.node else "")
        words = [f"Failed: {self.why} ({where})."]
        if self.last_lines:
            shown = self.last_lines.splitlines()[-SHOWN_LINES:]
            words += ["Last lines of its log:", *(f"    {line}" for line in shown)]
        if log:
            words.append(f"The whole log: {log}")
        return "\n".join(words)

    @property
    def ended(self) -> bool:
        return self.state in {State.SUCCEEDED, State.FAILED}


GONE = Outcome(State.FAILED, "its pod was deleted while the job was under way")


def outcome(pod: Object) -> Outcome:
    """Reads `status` of a pod with one container."""
    node = text(pod, "spec", "nodeName")
    match text(pod, "status", "phase"):
        case "Succeeded":
            return Outcome(State.SUCCEEDED, node=node)
        case "Failed":
            return _failed(pod, node)
        case "Running":
            return Outcome(State.RUNNING, node=node)
        case _:
            return _pending(pod, node)


def _failed(pod: Object, node: str) -> Outcome:
    ended = get_in(pod, "status", "containerStatuses", 0, "state", "terminated")
    code = get_in(ended, "exitCode")
    report = _worker_report(text(ended, "message"))
    if get_in(pod, "metadata", "deletionTimestamp"):
        return Outcome(State.FAILED, GONE.why, report.last_lines, node)
    reason = text(pod, "status", "reason") or text(ended, "reason")
    if reason == "DeadlineExceeded":
        why = f"it ran longer than its runtime allows ({_deadline(pod)})"
    elif reason == "OOMKilled":
        why = (
            f"it used more memory than its limit of {_memory_limit(pod)} (OOMKilled); raise the rule's mem_mb"
        )
    elif reason and reason not in {"Error", "Completed"}:
        why = f"{reason}: {text(pod, 'status', 'message') or text(ended, 'message')}".rstrip(": ")
    elif isinstance(code, int):
        why = report.why or f"exit code {code}"
    else:
        why = "its container left no exit code"
    return Outcome(State.FAILED, why, report.last_lines, node, has_log=isinstance(code, int))


def _pending(pod: Object, node: str) -> Outcome:
    waiting = get_in(pod, "status", "containerStatuses", 0, "state", "waiting")
    reason = text(waiting, "reason")
    if reason in STUCK:
        return Outcome(
            State.FAILED, f"its container cannot start: {reason}: {text(waiting, 'message')}", node=node
        )
    for condition in items(pod, "status", "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            why = f"no node takes it yet: {text(condition, 'message')}"
            return Outcome(State.WAITING, why, unplaced=True)
    return Outcome(State.WAITING, node=node)


@dataclass(frozen=True)
class _Report:
    why: str = ""
    last_lines: str = ""


def _worker_report(message: str) -> _Report:
    """The worker's last words come with the pod's status: they need no request of their own."""
    try:
        report: Json = json.loads(message)
    except ValueError:
        return _Report(last_lines=message)
    return _Report(text(report, "why"), text(report, "last_lines")) if isinstance(report, dict) else _Report()


def _deadline(pod: Object) -> str:
    seconds = get_in(pod, "spec", "activeDeadlineSeconds")
    return f"{seconds // 60} min" if isinstance(seconds, int) else "no deadline known"


def _memory_limit(pod: Object) -> str:
    return text(pod, "spec", "containers", 0, "resources", "limits", "memory") or "its node"
