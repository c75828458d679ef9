"""Kubernetes objects as the JSON that they are on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Object: TypeAlias = Mapping[str, Json]


def get_in(obj: Json | Object, *path: str | int) -> Json:
    """Return the value at `path`, or None if any step of it is absent."""
    value: Json | Object = obj
    for step in path:
        match value, step:
            case Mapping(), str():
                value = value.get(step)
            case list(), int() if -len(value) <= step < len(value):
                value = value[step]
            case _:
                return None
    return value if not isinstance(value, Mapping) else dict(value)


def items(obj: Json | Object, *path: str | int) -> list[dict[str, Json]]:
    """Return the objects of the list at `path`; none if it is absent."""
    found = get_in(obj, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def texts(obj: Json | Object, *path: str | int) -> list[str]:
    """Return the strings of the list at `path`; none when it is absent."""
    found = get_in(obj, *path)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def mapping(obj: Json | Object, *path: str | int) -> dict[str, Json]:
    """Return the object at `path`; an empty one if it is absent."""
    found = get_in(obj, *path)
    return found if isinstance(found, dict) else {}


def text(obj: Json | Object, *path: str | int) -> str:
    """Return the string at `path`, or an empty one."""
    found = get_in(obj, *path)
    return found if isinstance(found, str) else ""
