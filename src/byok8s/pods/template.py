"""A user's pod template, merged under our pods: for what a cluster wants and we did not think of.

It is a Pod as Kubernetes writes it, of which anything may be left out: node selector, tolerations, affinity, priority
class, service account, pull secrets, runtime class, volumes, labels, annotations, and of the container what it needs
beside, as `nvidia.com/gpu` among the limits. Where both say something, ours counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from byok8s import files
from byok8s.errors import InputError
from byok8s.kube.objects import Json, Object

PARTS = frozenset({"apiVersion", "kind", "metadata", "spec"})
# lists whose members have a name of their own, by which two lists are put together; all others are joined
KEYS = {"containers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath"}


def load(path: Path) -> str:
    """The template in a YAML or JSON file, as JSON whose text is the same for the same content.

    Raises InputError if there is no such file, or if it holds no Pod.
    """
    if not path.is_file():
        raise InputError(f"There is no pod template {str(path)!r}.", where=f"Looked in {Path.cwd()}.")
    content = files.load(path)
    if unknown := sorted(set(content) - PARTS):
        raise InputError(
            f"The pod template {path.name} has {', '.join(unknown)} at its top.",
            where=f"In {path}.",
            hint="It is a Pod: what you want in pods stands under spec and metadata.",
        )
    return json.dumps(content, sort_keys=True)


def join(over: str, under: str) -> str:
    """Two templates in one: `over` counts where both say something. Either may be empty."""
    if not over or not under:
        return over or under
    return json.dumps(merge(json.loads(over), json.loads(under)), sort_keys=True)


def merge(ours: Object, theirs: Object, container: str = "") -> dict[str, Json]:
    """`ours` with everything of `theirs` that it says nothing of.

    container: the name of our one container, which the template's one container is, whatever it is called.
    """
    merged: dict[str, Json] = dict(theirs)
    for name, value in ours.items():
        merged[name] = _merge_values(name, value, merged[name], container) if name in merged else value
    return merged


def _merge_values(name: str, ours: Json, theirs: Json, container: str) -> Json:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return merge(ours, theirs, container)
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return ours
    if name == "containers" and container and len(theirs) == 1 and isinstance(theirs[0], dict):
        theirs = [{**theirs[0], "name": container}]
    return _merge_lists(ours, theirs, KEYS.get(name), container)


def _merge_lists(ours: list[Json], theirs: list[Json], key: str | None, container: str) -> list[Json]:
    if key is None:
        return [*ours, *(item for item in theirs if item not in ours)]
    by_key = {item.get(key): item for item in theirs if isinstance(item, dict)}
    merged: list[Json] = []
    for item in ours:
        other = by_key.pop(item.get(key), None) if isinstance(item, dict) else None
        merged.append(merge(item, other, container) if isinstance(item, dict) and other else item)
    return [*merged, *by_key.values()]
