"""Which of a pod's containers is ours: a mesh, a policy or a template may put others beside it and before it.

The order of the lists in a pod's status says nothing.
"""

from __future__ import annotations

import re

from byok8s.kube.objects import Json, Object, get_in, items, mapping, text
from byok8s.pods.manifest import CONTAINER
from byok8s.pods.tool import TOOL

DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")


def status(pod: Object) -> Object:
    """Return the status of our container; an empty one while it has none."""
    return _ours(items(pod, "status", "containerStatuses"))


def ended(pod: Object) -> Json:
    """Return how our container has ended; None while it has not."""
    return get_in(status(pod), "state", "terminated")


def others_run(pod: Object) -> bool:
    """Return whether a container that is not ours keeps the pod from ending."""
    ours = status(pod)
    others = (other for other in items(pod, "status", "containerStatuses") if other != ours)
    return any(get_in(other, "state", "running") is not None for other in others)


def spec(pod: Object) -> Object:
    """Return our container as the pod has it."""
    return _ours(items(pod, "spec", "containers"))


def digests(pod: Object) -> dict[str, str]:
    """Return what the node has pulled for our container and for that of a rule's own image: digests by their names.

    By that its registry has it; or, if it was loaded into the node and pulled from nowhere, that of its configuration.
    """
    found = {text(spec(pod), "image"): status(pod), tool_image(pod): _tool(pod)}
    told = {name: DIGEST.search(text(of, "imageID")) for name, of in found.items()}
    return {name: digest[0] for name, digest in told.items() if name and digest}


def requests(pod: Object) -> dict[str, list[Json]]:
    """Return what all containers ask for, by resource: a node has to have the sum of it."""
    found: dict[str, list[Json]] = {}
    for container in items(pod, "spec", "containers"):
        for name, amount in mapping(container, "resources", "requests").items():
            found.setdefault(name, []).append(amount)
    return found


def held_up(pod: Object) -> Object:
    """Return the status of the container for which the pod waits: one that comes before ours, a rule's own, or ours."""
    for before in items(pod, "status", "initContainerStatuses"):
        if (
            mapping(before, "state", "waiting")
            and text(before, "state", "waiting", "reason") != "PodInitializing"
        ):
            return before
    other = _tool(pod)
    reason = text(other, "state", "waiting", "reason")
    return other if reason not in {"", "ContainerCreating", "PodInitializing"} else status(pod)


def tool_failed(pod: Object) -> Object:
    """Return how the container of a rule's own image has ended if it has before its job; nothing if it has not."""
    ended = mapping(_tool(pod), "state", "terminated")
    leaving = text(pod, "metadata", "deletionTimestamp")
    return ended if get_in(ended, "exitCode") not in {None, 0} and not leaving else {}


def tool_image(pod: Object) -> str:
    """Return the rule's own image, as the pod has it."""
    found = (each for each in items(pod, "spec", "containers") if text(each, "name") == TOOL)
    return text(next(found, {}), "image")


def _tool(pod: Object) -> Object:
    found = (each for each in items(pod, "status", "containerStatuses") if text(each, "name") == TOOL)
    return next(found, {})


def failed_before(pod: Object) -> str:
    """Say which container that comes before ours has failed; nothing when none has."""
    for before in items(pod, "status", "initContainerStatuses"):
        code = get_in(before, "state", "terminated", "exitCode")
        if isinstance(code, int) and code != 0:
            return f"container {text(before, 'name')}, which runs before it, ended with exit code {code}"
    return ""


def _ours(containers: list[dict[str, Json]]) -> Object:
    named = [container for container in containers if text(container, "name") == CONTAINER]
    alone = containers if len(containers) == 1 and "name" not in containers[0] else []
    return next(iter(named or alone), {})
