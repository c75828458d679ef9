"""What the events of one pod say of it. Values in, values out.

They tell what its status does not: why a volume is missing, whether an autoscaler makes a node, the text of a failed
pull. They are kept for an hour, as a rule, and none is promised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from byok8s.kube.objects import Object, text
from byok8s.pods import image
from byok8s.pods.cause import SAID, Cause

_CAUSES = {
    "FailedScheduling": Cause.UNSCHEDULABLE,
    "Preempted": Cause.PREEMPTED,
    "Preempting": Cause.PREEMPTED,
    "Evicted": Cause.EVICTED,
    "TaintManagerEviction": Cause.NODE_LOST,
    "NodeNotReady": Cause.NODE_LOST,
    "NodeShutdown": Cause.NODE_SHUTDOWN,
    "Disrupted": Cause.NODE_SHUTDOWN,  # Karpenter takes the node away
    "FailedMount": Cause.VOLUME,
    "FailedAttachVolume": Cause.VOLUME,
    "FailedMapVolume": Cause.VOLUME,
    "FailedCreatePodSandBox": Cause.POD_NETWORK,
    "NetworkNotReady": Cause.POD_NETWORK,
    "DeadlineExceeded": Cause.DEADLINE,
    "NodeAffinity": Cause.NODE_REFUSED,
    "UnexpectedAdmissionError": Cause.NODE_REFUSED,
}
_WENT_ON = frozenset({"Scheduled", "Pulled", "Created", "Started"})
# cluster-autoscaler (also GKE's and AKS'); Karpenter (also EKS Auto Mode and AKS' node auto-provisioning)
_AUTOSCALER = {
    "TriggeredScaleUp": True,
    "Nominated": True,
    "NotTriggerScaleUp": False,
    "FailedScaleUp": False,
}
_OWN_DISK = re.compile(
    r"ephemeral (?:local )?storage (?:limit|usage exceeds)|usage of emptydir volume", re.IGNORECASE
)


@dataclass(frozen=True)
class Reading:
    """cause: what holds the pod up or has ended it; None if events tell of neither.

    autoscaler: True while one says that it makes a node for the pod, False when one has declined to, None when none
    has said anything.
    """

    cause: Cause | None = None
    why: str = ""
    autoscaler: bool | None = None


def read(events: Iterable[Object]) -> Reading:
    """events: v1 Event objects of one pod, in any order. The newest that says something is believed."""
    found: Reading = Reading()
    autoscaler: bool | None = None
    for event in sorted(events, key=_time):
        reason, message = text(event, "reason"), text(event, "message").strip()
        if reason in _AUTOSCALER:
            autoscaler = _AUTOSCALER[reason]
        elif reason == "FailedScheduling" and _source(event) == "karpenter":
            autoscaler = False
        if reason in _WENT_ON:
            found = Reading()
        elif cause := _cause(reason, message):
            found = Reading(cause, _why(cause, reason, message))
    return Reading(found.cause, found.why, autoscaler)


def line(event: Object) -> str:
    """An event in one line, as kubectl shows it."""
    return f"{_time(event)} {text(event, 'type')} {text(event, 'reason')}: {text(event, 'message').strip()}"


def evicted(message: str) -> Cause:
    """An eviction: for more disk than the pod itself may use, or because its node or somebody wanted it gone."""
    return Cause.DISK_FULL if _OWN_DISK.search(message) else Cause.EVICTED


def _cause(reason: str, message: str) -> Cause | None:
    if reason == "Failed":
        return _failed(message)
    if reason == "Evicted":
        return evicted(message)
    if reason == "TaintManagerEviction" and message.startswith("Cancelling"):
        return None
    if reason in {"InspectFailed", "ErrImageNeverPull"}:
        return image.cause(message)
    return Cause.NODE_REFUSED if reason.startswith("OutOf") else _CAUSES.get(reason)


def _failed(message: str) -> Cause | None:
    """The kubelet's one reason for all that goes wrong with a container."""
    if message.startswith("Failed to pull image"):
        return image.cause(message)
    # of these it has said more in an event before
    if message in {"Error: ErrImagePull", "Error: ImagePullBackOff", "Error: ErrImageNeverPull"}:
        return None
    return Cause.CONTAINER_CANNOT_START


def _why(cause: Cause, reason: str, message: str) -> str:
    if cause.of_image:
        name = re.search(r'image "([^"]*)"', message)
        return image.why(name[1] if name else "", message)
    own = message if cause is Cause.UNSCHEDULABLE else f"{reason}: {message}"
    return f"{SAID[cause]}: {own}"


def _time(event: Object) -> str:
    """When it was last seen: RFC 3339 in UTC, which sorts as text. Newer senders fill other fields than older."""
    for path in (("series", "lastObservedTime"), ("lastTimestamp",), ("eventTime",), ("firstTimestamp",)):
        if time := text(event, *path):
            return time.removesuffix("Z").partition(".")[0]
    return text(event, "metadata", "creationTimestamp").removesuffix("Z")


def _source(event: Object) -> str:
    return text(event, "reportingComponent") or text(event, "source", "component")
