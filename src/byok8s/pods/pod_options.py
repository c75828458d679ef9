"""Options of pods that a run or a rule can set one by one, in addition to cores, memory and disk.

In a Snakefile these are resources of a rule; for a run they are --pod WORD=VALUE. Values are short forms, or YAML as
Kubernetes wants it. Options in, a part of a Pod out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import yaml

from byok8s.errors import InputError
from byok8s.kube.objects import Json, Object
from byok8s.pods import template
from byok8s.pods.manifest import CONTAINER

OURS = ("byok8s.io/", "app.kubernetes.io/")  # by these an object says whose it is
EFFECTS = frozenset({"NoSchedule", "PreferNoSchedule", "NoExecute"})
PULL_POLICY = "image_pull_policy"
PULL_POLICIES = frozenset({"Always", "IfNotPresent", "Never"})
GPU_RESOURCES = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "intel": "gpu.intel.com/i915"}

Value = str | int | float | bool
PodOptions = Mapping[str, Value]


def parse(said: str) -> PodOptions:
    """Return the options in a YAML mapping. Raises InputError."""
    try:
        given = yaml.safe_load(said)
    except yaml.YAMLError as error:
        raise InputError(f"The options of a pod, {said!r}, cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise InputError(
            f"The options of a pod are a mapping, as in {{node_selector: disktype=ssd}}, not {said!r}."
        )
    return {
        str(word): value if isinstance(value, Value) else json.dumps(value) for word, value in given.items()
    }


def part_of_pod(options: PodOptions) -> Object:
    """Return the part of a Pod that the options stand for. Raises InputError for an unknown or a wrong one."""
    part: Object = _limits(_gpus(options))
    for word, value in options.items():
        if word in GPU:
            continue
        if word not in READERS:
            raise InputError(
                f"{word!r} is not an option of a pod.", hint=f"Known are {', '.join(sorted(POD_OPTIONS))}."
            )
        try:
            part = template.merge(READERS[word](str(value)), part)
        except (ValueError, yaml.YAMLError) as error:
            raise InputError(f"{word}={value!r} cannot be used in a pod: {error}.") from error
    return part


def pull_policy(value: Value) -> str:
    """Return when an image is pulled. Raises InputError for no such word."""
    part_of_pod({PULL_POLICY: value})
    return str(value)


def _spec(name: str, read: Callable[[str], Json]) -> Callable[[str], Object]:
    return lambda value: {"spec": {name: read(value)}}


def _container(**fields: Json) -> Object:
    return {"spec": {"containers": [{"name": CONTAINER, **fields}]}}


def _limits(devices: dict[str, Json]) -> Object:
    # Kubernetes takes no request of an extended resource without an equal limit
    return _container(resources={"limits": devices, "requests": dict(devices)}) if devices else {}


def _plain(value: str) -> Json:
    if not value.strip():
        raise ValueError("it is empty")
    return value.strip()


def _pull_policy(value: str) -> Json:
    if value not in PULL_POLICIES:
        raise ValueError(f"it is one of {', '.join(sorted(PULL_POLICIES))}")
    return value


def _list(value: str) -> list[str]:
    found = [entry.strip() for entry in value.split(",") if entry.strip()]
    if not found:
        raise ValueError("it is empty")
    return found


def _mapping(value: str) -> dict[str, Json]:
    """KEY=VALUE,KEY=VALUE, or a YAML mapping."""
    if isinstance(given := yaml.safe_load(value), dict):
        return {str(key): str(entry) for key, entry in given.items()}
    pairs = [entry.partition("=") for entry in _list(value)]
    if not all(key and equals for key, equals, _ in pairs):
        raise ValueError("it is KEY=VALUE,KEY=VALUE or a YAML mapping")
    return {key.strip(): entry.strip() for key, _, entry in pairs}


def _own_names(given: dict[str, Json]) -> dict[str, Json]:
    if taken := [name for name in given if name.startswith(OURS)]:
        raise ValueError(f"{taken[0]} is byok8s' own")
    return given


def _tolerations(value: str) -> Json:
    """KEY[=VALUE][:EFFECT],..., or a YAML list."""
    if isinstance(given := yaml.safe_load(value), list):
        return given
    tolerations: list[Json] = []
    for entry in _list(value):
        taint, _, effect = entry.partition(":")
        key, equals, wanted = taint.partition("=")
        if effect and effect not in EFFECTS:
            raise ValueError(f"{effect} is none of {', '.join(sorted(EFFECTS))}")
        toleration: dict[str, Json] = {"key": key, "operator": "Equal" if equals else "Exists"}
        tolerations.append(
            toleration | ({"value": wanted} if equals else {}) | ({"effect": effect} if effect else {})
        )
    return tolerations


def _yaml_mapping(value: str) -> Json:
    given: Json = yaml.safe_load(value)
    if not isinstance(given, dict):
        raise ValueError("it is a YAML mapping, as in a Pod")  # noqa: TRY004 - of the user's value, not of a type
    return given


def _references(value: str) -> Json:
    return [{"name": name} for name in _list(value)]


def _claims(value: str) -> Object:
    """CLAIM:PATH[:ro],..."""
    volumes: list[Json] = []
    mounts: list[Json] = []
    for entry in _list(value):
        claim, _, rest = entry.partition(":")
        path, _, mode = rest.partition(":")
        if not path.startswith("/") or mode not in {"", "ro"}:
            raise ValueError("it is CLAIM:/PATH or CLAIM:/PATH:ro")
        name, read_only = f"claim-{len(volumes)}", mode == "ro"
        source: Json = {"claimName": claim, "readOnly": read_only}
        volumes.append({"name": name, "persistentVolumeClaim": source})
        mounts.append({"name": name, "mountPath": path, "readOnly": read_only})
    return template.merge({"spec": {"volumes": volumes}}, _container(volumeMounts=mounts))


def _gpus(options: PodOptions) -> dict[str, Json]:
    """Return the limits that Snakemake's own resources ask for: gpu, and gpu_manufacturer (by default nvidia)."""
    count, maker = int(options.get("gpu", 0)), str(options.get("gpu_manufacturer", "nvidia"))
    if count < 1:
        return {}
    if maker not in GPU_RESOURCES:
        raise InputError(
            f"gpu_manufacturer={maker!r} is none of {', '.join(GPU_RESOURCES)}.",
            hint="Other devices: limits='VENDOR/DEVICE=1'.",
        )
    return {GPU_RESOURCES[maker]: str(count)}


READERS: Mapping[str, Callable[[str], Object]] = {
    "affinity": _spec("affinity", _yaml_mapping),
    "annotations": lambda value: {"metadata": {"annotations": _own_names(_mapping(value))}},
    "container_image": lambda value: _container(image=_plain(value)),
    PULL_POLICY: lambda value: _container(imagePullPolicy=_pull_policy(value)),
    "image_pull_secrets": _spec("imagePullSecrets", _references),
    "labels": lambda value: {"metadata": {"labels": _own_names(_mapping(value))}},
    "limits": lambda value: _limits(_mapping(value)),
    "node_selector": _spec("nodeSelector", lambda value: _mapping(value)),
    "persistent_volume_claims": _claims,
    "priority_class": _spec("priorityClassName", _plain),
    "runtime_class": _spec("runtimeClassName", _plain),
    "service_account": _spec("serviceAccountName", _plain),
    "tolerations": _spec("tolerations", _tolerations),
}
GPU = frozenset({"gpu", "gpu_manufacturer"})
POD_OPTIONS = GPU | READERS.keys()
