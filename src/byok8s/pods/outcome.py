"""What became of a pod, read from its status, or from the answer when it was to be made. Values in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from byok8s.errors import Byok8sError
from byok8s.kube import ApiError
from byok8s.kube.objects import Json, Object, get_in, items, text
from byok8s.pods import cause as causes
from byok8s.pods import container, events, image
from byok8s.pods.cause import SAID, Cause
from byok8s.pods.log_excerpt import OUTPUT, LogExcerpt
from byok8s.tail import without_frame
from byok8s.worker.description import Left, Stored
from byok8s.worker.measured import UNKNOWN, Measured
from byok8s.worker.protocol import Result, result

# The kubelet goes on trying after these, without end; none of them fixes itself while a job waits.
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
PULLING = frozenset({"ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed"})

# `status.reason` of a pod that its kubelet or a controller has ended, and for what
_ENDED = {
    "Evicted": Cause.EVICTED,
    "Preempting": Cause.PREEMPTED,
    "Preempted": Cause.PREEMPTED,
    "Shutdown": Cause.NODE_SHUTDOWN,  # up to Kubernetes 1.21
    "Terminated": Cause.NODE_SHUTDOWN,
    "NodeShutdown": Cause.NODE_SHUTDOWN,
    "NodeLost": Cause.NODE_LOST,
    "NodeAffinity": Cause.NODE_REFUSED,
    "TopologyAffinityError": Cause.NODE_REFUSED,
    "UnexpectedAdmissionError": Cause.NODE_REFUSED,
    "DeadlineExceeded": Cause.DEADLINE,
}
# reasons of the condition DisruptionTarget, since Kubernetes 1.25
_DISRUPTED = {
    "PreemptionByScheduler": Cause.PREEMPTED,
    "DeletionByTaintManager": Cause.NODE_LOST,
    "DeletionByDeviceTaintManager": Cause.NODE_LOST,
    "DeletionByPodGC": Cause.NODE_LOST,
    "EvictionByEvictionAPI": Cause.EVICTED,
}


class State(Enum):
    WAITING = "waiting"  # for nothing in particular: it is being started, or its image pulled
    UNPLACED = "unplaced"  # no node takes it
    STUCK = "stuck"  # its kubelet tries in vain to start it, and goes on trying
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """The state of a pod, or of the one job in it, in one sentence where there is something to say.

    last_lines: of the job's log, as the worker left them. has_log: whether the API has the whole of it.
    lingers: it has ended for us and is still there: another container keeps it running, or it was given up.
    cause: the name of what `why` says; also of a pod that waits, or that still runs while something is about to end it.
    stored: what its job has put into the bucket, as far as it could be told. left: what it has left that no rule
    declares, and that is lost. exit: the exit code of its job, None if that is not known. measured: how long its job
    took, and what it used. images: digests of the images of a pod that runs, by their names.
    """

    state: State
    why: str = ""
    last_lines: str = ""
    node: str = ""
    has_log: bool = False
    lingers: bool = False
    cause: Cause | None = None
    stored: tuple[Stored, ...] = ()
    left: tuple[Left, ...] = ()
    exit: int | None = None
    measured: Measured = UNKNOWN
    images: Mapping[str, str] = field(default_factory=dict)

    def words(self, pod: str, said: LogExcerpt | None, more: str) -> str:
        """For the person whose job has failed: why, what it has said itself, and what to type for more.

        pod: nothing if it ran on this machine. said: from the record, or nothing, and then its last lines count. more:
        the job, as `byok8s logs` knows it, or nothing.
        """
        where = f" (pod {pod}" + (f" on node {self.node}" if self.node else "") + ")" if pod else ""
        words = [f"Failed: {self.why}{where}."]
        if said is None and self.last_lines:
            said = LogExcerpt(OUTPUT, without_frame(self.last_lines.splitlines()))
        words += said.words() if said else []
        if more:
            words.append(f"More: byok8s logs {more}")
        if self.cause:
            words.append(f"What to do: byok8s explain {self.cause.value}")
        return "\n".join(words)

    @property
    def waits(self) -> bool:
        """Whether it has not started."""
        return self.state in {State.WAITING, State.UNPLACED, State.STUCK}

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in {State.SUCCEEDED, State.FAILED}

    @property
    def settled(self) -> bool:
        """Whether it has ended or is stuck: for whoever gives a pod that is stuck no grace."""
        return self.ended or self.state is State.STUCK


GONE = Outcome(State.FAILED, "its pod was deleted while the job was under way", cause=Cause.POD_DELETED)


def outcome(pod: Object) -> Outcome:
    """Read a pod's `status`. It is our container's end that counts: another may keep the pod running, or fail it."""
    node = text(pod, "spec", "nodeName")
    phase = text(pod, "status", "phase")
    ended = container.ended(pod)
    if phase in {"Running", "Failed"} and get_in(ended, "exitCode") == 0 and not _disruption(pod):
        return _succeeded(ended, node, lingers=phase == "Running")
    if phase == "Running" and ended and container.others_run(pod) and not _disruption(pod):
        return replace(_failed(pod, node), lingers=True)
    if phase == "Running" and container.tool_failed(pod) and not _disruption(pod):
        return replace(_failed(pod, node), lingers=True)
    match phase:
        case "Succeeded":
            return _succeeded(ended, node)
        case "Failed":
            return _failed(pod, node)
        case "Running":
            cause, why = _disruption(pod) or _doubt(pod) or (None, "")
            return Outcome(State.RUNNING, why, node=node, cause=cause, images=container.digests(pod))
        case _:
            return _pending(pod, node)


def _succeeded(ended: Json, node: str, *, lingers: bool = False) -> Outcome:
    report = _worker_report(text(ended, "message"))
    return Outcome(
        State.SUCCEEDED,
        node=node,
        has_log=True,
        lingers=lingers,
        stored=report.stored,
        left=report.left,
        exit=0,
        measured=report.measured,
    )


def recall(previous: Outcome | None, current: Outcome) -> Outcome:
    """What is known now, with what was said before and is not repeated. previous: of the same pod, just before.

    While a pull is tried again and again, only every other status has the runtime's words; and of a pod that is gone
    no status is left, but the last one may have said why it had to go.
    """
    before = previous.cause if previous else None
    if previous is None or before is None:
        return current
    forgot_image = current.cause is Cause.IMAGE_NOT_PULLED and before.of_image
    if forgot_image or (current.cause is Cause.POD_DELETED and previous.state is State.RUNNING):
        return replace(current, cause=before, why=previous.why, node=current.node or previous.node)
    return current


def of_result(of: Result, node: str) -> Outcome:
    """Return the outcome of a job that a worker has run."""
    state = State.FAILED if of.code else State.SUCCEEDED
    return Outcome(
        state,
        of.why,
        of.last_lines,
        node,
        cause=causes.named(of.cause),
        stored=of.stored,
        left=of.left,
        exit=of.code,
        measured=of.measured,
    )


def refused(error: Byok8sError) -> Outcome:
    """Of a pod that could not be created. error: an ApiError if the cluster has said no."""
    cause = _refusal(error) if isinstance(error, ApiError) else Cause.API_ERROR
    return Outcome(State.FAILED, f"the cluster does not take its pod. {error}".rstrip("."), cause=cause)


# Kubernetes' plugin/pkg/admission/limitranger says it so
LIMIT_RANGE = r"(?:minimum|maximum) \S+ usage per (?:Container|Pod)|limit to request ratio per"
# The first that is found in the answer: a webhook may quote any of the others, and choose its own code
_REFUSALS = (
    (Cause.API_ERROR, r"failed calling (?:admission )?webhook"),
    (Cause.ADMISSION, r"admission webhook|violates PodSecurity|ValidatingAdmissionPolicy"),
    (Cause.ADMISSION, r"security context constraint"),
    (Cause.QUOTA, r"exceeded quota|failed quota|insufficient quota|cannot be fulfilled on resourcequotas"),
    (Cause.QUOTA, LIMIT_RANGE),
    (Cause.FORBIDDEN, r"cannot \w+ resource"),
)


def _refusal(error: ApiError) -> Cause:
    if error.code in {401, 404}:
        return Cause.FORBIDDEN
    named = next((cause for cause, words in _REFUSALS if re.search(words, error.message)), None)
    if named:
        return named
    if error.code == 403:
        return Cause.ADMISSION
    return Cause.POD_INVALID if error.code in {400, 413, 422} else Cause.API_ERROR


def _failed(pod: Object, node: str) -> Outcome:
    ended = container.ended(pod)
    code = get_in(ended, "exitCode")
    report = _worker_report(text(ended, "message"))
    if found := _disruption(pod):
        cause, why = found
    elif get_in(pod, "metadata", "deletionTimestamp"):
        return replace(GONE, last_lines=report.last_lines, node=node)
    else:
        cause, why = _ended_container(pod, ended, report)
    exit_code = code if isinstance(code, int) else None
    return Outcome(
        State.FAILED,
        why,
        report.last_lines,
        node,
        has_log=exit_code is not None,
        cause=cause,
        stored=report.stored,
        exit=exit_code,
        measured=report.measured,
    )


def _disruption(pod: Object) -> tuple[Cause, str] | None:
    """Who ended the pod from outside, or is about to; None while nobody is known to."""
    reason, message = text(pod, "status", "reason"), text(pod, "status", "message").strip()
    cause = Cause.NODE_REFUSED if reason.startswith("OutOf") else _ENDED.get(reason)
    if cause is None and reason and text(pod, "status", "phase") == "Failed":
        return Cause.UNKNOWN, f"{reason}: {message}".rstrip(": ")
    if cause is None:
        reason, message, cause = _condition(pod)
    if cause is Cause.EVICTED:
        cause = events.evicted(message)
    if cause is Cause.DEADLINE:
        return cause, f"it ran longer than its runtime allows ({_deadline(pod)})"
    return (cause, f"{SAID[cause]}: {reason}: {message}".rstrip(":. ")) if cause else None


def _condition(pod: Object) -> tuple[str, str, Cause | None]:
    """Reason, message and cause of the condition DisruptionTarget."""
    for condition in items(pod, "status", "conditions"):
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            reason, message = text(condition, "reason"), text(condition, "message").strip()
            cause = _DISRUPTED.get(reason)
            if reason == "TerminationByKubelet":
                cause = _by_kubelet(message)
            return reason, message, cause
    return "", "", None


def _by_kubelet(message: str) -> Cause:
    if "shutdown" in message:
        return Cause.NODE_SHUTDOWN
    return Cause.PREEMPTED if "Preempted" in message else Cause.EVICTED


def _doubt(pod: Object) -> tuple[Cause, str] | None:
    """A node that is silent leaves its pods' phase as it was; the node controller says of them that they are not Ready.

    The kubelet itself says that only together with ContainersReady.
    """
    conditions = {
        text(condition, "type"): text(condition, "status") for condition in items(pod, "status", "conditions")
    }
    if conditions.get("Ready") == "False" and conditions.get("ContainersReady") == "True":
        return Cause.NODE_LOST, "nothing is heard from its node"
    return None


def _ended_container(pod: Object, ended: Json, report: Result) -> tuple[Cause, str]:
    if of_tool := container.tool_failed(pod):
        return _ended_tool(pod, of_tool)
    code, reason, message = get_in(ended, "exitCode"), text(ended, "reason"), text(ended, "message")
    if reason == "OOMKilled":
        limit = _memory_limit(pod)
        why = f"out of memory: it wanted more than its limit of {limit} (OOMKilled); raise the rule's mem_mb"
        return Cause.OUT_OF_MEMORY, report.why if report.cause == Cause.OUT_OF_MEMORY.value else why
    if reason in {"StartError", "ContainerCannotRun"}:
        return Cause.CONTAINER_CANNOT_START, f"its container cannot start: {reason}: {message}"
    if failed := container.failed_before(pod):
        return Cause.CONTAINER_CANNOT_START, failed
    if reason == "ContainerStatusUnknown" or not isinstance(code, int):
        return Cause.WORKER_LOST, f"its container left no exit code {message}".rstrip()
    if reason and reason not in {"Error", "Completed"}:
        return Cause.UNKNOWN, f"{reason}: {message}".rstrip(": ")
    return causes.named(report.cause) or Cause.EXIT_CODE, report.why or f"exit code {code}"


def _ended_tool(pod: Object, ended: Object) -> tuple[Cause, str]:
    """Of the container of a rule's own image, which has ended before its job."""
    reason, message = text(ended, "reason"), text(ended, "message")
    name = container.tool_image(pod)
    if reason == "OOMKilled":
        return (
            Cause.OUT_OF_MEMORY,
            "out of memory: its container used more than its limit (OOMKilled); raise mem_mb",
        )
    if found := image.cannot_run(message):
        return found, image.why_not_run(name, found, message)
    if reason in {"StartError", "ContainerCannotRun"}:
        return Cause.CONTAINER_CANNOT_START, f"the container of its image {name} cannot start: {message}"
    return (
        Cause.WORKER_LOST,
        f"the container of its image {name} was ended: exit code {get_in(ended, 'exitCode')}",
    )


def _pending(pod: Object, node: str) -> Outcome:
    held_up = container.held_up(pod)
    waiting = get_in(held_up, "state", "waiting")
    reason, message = text(waiting, "reason"), text(waiting, "message")
    if reason in STUCK | PULLING:
        cause, why = _stuck(_image(pod, held_up), reason, message)
        return Outcome(State.STUCK if reason in STUCK else State.WAITING, why, node=node, cause=cause)
    for condition in items(pod, "status", "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            why = f"no node takes it yet: {text(condition, 'message')}"
            return Outcome(State.UNPLACED, why, cause=Cause.UNSCHEDULABLE)
    return Outcome(State.WAITING, node=node)


def _image(pod: Object, status: Object) -> str:
    """Return the image of a container, given its status: the pod's word for it, as the user has it."""
    ours = container.spec(pod)
    same = "name" not in status or text(status, "name") == text(ours, "name")
    return text(ours, "image") if same else text(status, "image")


def _stuck(name: str, reason: str, message: str) -> tuple[Cause, str]:
    if "Container" in reason and (found := image.cannot_run(message)):
        return found, image.why_not_run(name, found, message)
    if "Container" in reason:
        return Cause.CONTAINER_CANNOT_START, f"its container cannot start: {reason}: {message}"
    if reason == "InvalidImageName":
        return Cause.IMAGE_INVALID, f"{name} is no name of an image: {message}"
    return image.cause(message), image.why(name, message)


def _worker_report(message: str) -> Result:
    """The worker's last words come with the pod's status: they need no request of their own."""
    try:
        report: Json = json.loads(message)
    except ValueError:
        return Result(0, last_lines=message)
    if not isinstance(report, dict):
        return Result(0)
    found = result({**report, "code": 0})
    return found or Result(0)


def _deadline(pod: Object) -> str:
    seconds = get_in(pod, "spec", "activeDeadlineSeconds")
    return f"{seconds // 60} min" if isinstance(seconds, int) else "no deadline known"


def _memory_limit(pod: Object) -> str:
    return text(container.spec(pod), "resources", "limits", "memory") or "its node"
