"""Values of a rule as JSON: what params, config, wildcards and resources hold, decided on the controller.

JSON's own scalars and lists stand for themselves; everything else is an object of one name, which says what it is.
What has no form of its own here is pickled, if it can be.
"""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias

Encoded: TypeAlias = "bool | int | float | str | list[Encoded] | dict[str, Encoded] | None"
"""What JSON can hold."""

Relocate: TypeAlias = "Callable[[str], str]"
"""Turns a text with the controller's absolute paths into one with the pod's."""


class Unsendable(ValueError):
    """A value that can be neither written as JSON nor pickled."""


def encode(value: object, *, pickled: bool = True) -> Encoded:
    """Write a value as JSON. pickled: whether what has no form here may be pickled. Raises Unsendable."""

    def inner(item: object) -> Encoded:
        return encode(item, pickled=pickled)

    if value is None or type(value) in (bool, int, float):
        return value  # type: ignore[return-value]
    if isinstance(value, str):
        return str(value)  # Snakemake's own kinds of strings carry flags that mean nothing in a pod
    if _is_named(value):
        return {"named": encode_named(value)}  # type: ignore[arg-type]
    if type(value) is list:
        return [inner(item) for item in value]
    if type(value) is tuple:
        return {"tuple": [inner(item) for item in value]}
    if type(value) in (set, frozenset):
        return {type(value).__name__: [inner(item) for item in value]}  # type: ignore[attr-defined]
    if type(value) is dict:
        return {"dict": [[inner(key), inner(item)] for key, item in value.items()]}
    return _encode_object(value, pickled=pickled)


def _encode_object(value: object, *, pickled: bool) -> Encoded:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, PurePath):
        return {"path": str(value)}
    if getattr(value, "shape", None) == () and hasattr(value, "dtype") and hasattr(value, "item"):
        return {"cell": [str(value.dtype), encode(value.item())]}
    if not pickled:
        raise Unsendable(f"a value of type {type(value).__name__}")
    try:
        return {"pickle": base64.b64encode(pickle.dumps(value, 4)).decode()}
    except Exception as error:  # whatever a Snakefile's own objects raise
        raise Unsendable(f"a value of type {type(value).__name__} ({error})") from error


def _is_named(value: object) -> bool:
    return isinstance(value, list) and hasattr(value, "_get_names")


def encode_named(named: Sequence[object]) -> dict[str, Encoded]:
    """Write one of Snakemake's named lists: its items, and for each name where it begins and ends."""
    names: list[Encoded] = [[name, start, end] for name, (start, end) in named._get_names()]  # type: ignore[attr-defined]
    return {"items": [encode(item) for item in named], "names": names}


def decode(value: Encoded, relocate: Relocate = str) -> object:
    """Read what `encode` has written. relocate: is given each text."""
    if isinstance(value, str):
        return relocate(value)
    if isinstance(value, list):
        return [decode(item, relocate) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    return _DECODERS[kind](content, relocate)


def decode_named(value: Mapping[str, Encoded], cls: type | None, relocate: Relocate) -> list[object]:
    """Read one of Snakemake's named lists. cls: its class, of this process's Snakemake; None for the general one."""
    from snakemake.iocontainers import Namedlist

    named = (cls or Namedlist)(toclone=decode(value["items"], relocate))
    names: Any = value["names"]
    named._take_names((name, (start, end)) for name, start, end in names)
    return named  # type: ignore[no-any-return]


def _items(content: Encoded, relocate: Relocate) -> list[object]:
    assert isinstance(content, list)
    return [decode(item, relocate) for item in content]


def _dict(content: Any, relocate: Relocate) -> dict[object, object]:
    return {decode(key, relocate): decode(item, relocate) for key, item in content}


def _unpickle(content: Encoded, _: Relocate) -> object:
    return pickle.loads(base64.b64decode(str(content)))  # noqa: S301 - the controller's own


def _cell(content: Any, relocate: Relocate) -> object:
    """A cell of a table: numpy's, or where there is no numpy Python's own of the same value."""
    dtype, item = content[0], decode(content[1], relocate)
    try:
        import numpy
    except ImportError:
        return item
    return numpy.dtype(dtype).type(item)


_DECODERS: Final[Mapping[str, Callable[[Encoded, Relocate], object]]] = {
    "tuple": lambda content, relocate: tuple(_items(content, relocate)),
    "set": lambda content, relocate: set(_items(content, relocate)),
    "frozenset": lambda content, relocate: frozenset(_items(content, relocate)),
    "dict": _dict,
    "cell": _cell,
    "bytes": lambda content, _: base64.b64decode(str(content)),
    "path": lambda content, relocate: Path(relocate(str(content))),
    "named": lambda content, relocate: decode_named(content, None, relocate),  # type: ignore[arg-type]
    "pickle": _unpickle,
}
