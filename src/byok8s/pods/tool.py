"""The container of a rule's own image, beside the worker's in a pod. Pods in, pods out.

It has the job's share of the node; of the pod's volumes the job's folder, conda environments to read, those for
temporary files and what the user has mounted; no credentials, and no environment but its image's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

from byok8s.kube.objects import Json, Object, items, mapping, text
from byok8s.pods.quantity import quantity

TOOL: Final = "tool"
FOLDER: Final = "/work/tool"
CLAIM_VOLUME: Final = "byok8s-claim"  # of inputs that workers keep for each other
# what fetches, stores and hands over takes, at most times; it may take as much as the job when nothing else wants it
REQUESTS: Final[Mapping[str, Json]] = {"cpu": "50m", "memory": "300M"}
SHARES: Final = frozenset({"cpu", "memory"})
# a volume of these may hold credentials
KEPT_BACK: Final = frozenset({"configMap", "csi", "downwardAPI", "projected", "secret"})


@dataclass(frozen=True)
class Image:
    """A rule's own. policy: when it is pulled; "" for when the worker's is."""

    name: str
    policy: str = ""


def added(
    pod: Object, worker: str, image: Image, security: Json, variables: Sequence[str]
) -> dict[str, Json]:
    """Return a pod with the container of an image. worker: the name of the one that has the job's share so far.

    security: of each container. variables: those of the worker's that the workflow has asked for by name.
    """
    spec = mapping(pod, "spec")
    containers = items(spec, "containers")
    ours = next(each for each in containers if text(each, "name") == worker)
    others = [each for each in containers if each != ours]
    both: list[Json] = [
        _worker(ours, image.name, variables),
        _tool(ours, image, security, _mounts(pod, ours)),
    ]
    # else each would see the other's processes
    return {**pod, "spec": {**spec, "shareProcessNamespace": False, "containers": [*both, *others]}}


def _worker(ours: Object, image: str, variables: Sequence[str]) -> Json:
    told: list[Json] = [
        {"name": "BYOK8S_TOOL_IMAGE", "value": image},
        {"name": "BYOK8S_TOOL_VARIABLES", "value": ",".join(variables)},
    ]
    limits = {name: value for name, value in mapping(ours, "resources", "limits").items() if name in SHARES}
    # Kubernetes takes no request above its limit
    for name in SHARES & limits.keys():
        limits[name] = max(limits[name], REQUESTS[name], key=quantity)
    share: Json = {"requests": dict(REQUESTS), "limits": limits}
    return {**ours, "env": [*items(ours, "env"), *told], "resources": share}


def _tool(ours: Object, image: Image, security: Json, mounts: list[Json]) -> Json:
    return {
        "name": TOOL,
        "image": image.name,
        "imagePullPolicy": image.policy or ours["imagePullPolicy"],
        # Kubernetes makes one dollar of two, and what $(NAME) says
        "command": ["/bin/sh", "-c", script().replace("$", "$$"), "byok8s", FOLDER],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "USER", "value": "byok8s"}],  # noqa: S108
        "resources": ours["resources"],
        "securityContext": {**_mapping(security), "readOnlyRootFilesystem": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",  # in which is why it could not start
        "volumeMounts": mounts,
    }


def script() -> str:
    """Return the commands of the container's first process."""
    return resources.files("byok8s.pods").joinpath("tool.sh").read_text()


def _mounts(pod: Object, ours: Object) -> list[Json]:
    work: list[Json] = [
        {"name": "work", "mountPath": "/work/jobs", "subPath": "work/jobs"},
        {"name": "work", "mountPath": FOLDER, "subPath": "work/tool", "readOnly": True},
        {
            "name": "work",
            "mountPath": "/mnt/snakemake_searchpaths",
            "subPath": "work/searchpaths",
            "readOnly": True,
        },
        {"name": "work", "mountPath": "/work/envs", "subPath": "work/envs", "readOnly": True},
        {"name": "work", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108
        {"name": "work", "mountPath": "/var/tmp", "subPath": "tmp"},  # noqa: S108
    ]
    volumes = items(pod, "spec", "volumes")
    users = {text(each, "name") for each in volumes if KEPT_BACK.isdisjoint(each)} - {"work", CLAIM_VOLUME}
    mounts = items(ours, "volumeMounts")
    return [*work, *(mount for mount in mounts if text(mount, "name") in users)]


def _mapping(value: Json) -> Mapping[str, Json]:
    assert isinstance(value, Mapping)
    return value
