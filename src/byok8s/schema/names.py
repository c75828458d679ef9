"""Names in JSON and YAML: where something is, and whether JSON Schema can speak of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from byok8s.errors import InputError

PLAIN = re.compile(r"[A-Za-z_$][\w-]*")
# steps of a path that are no names of the file's: each item of a list, and each value under names of one's own choice
ITEM, ANY = "[]", "*"


def dotted(path: Sequence[str | int]) -> str:
    """A place as people write it: samples[2].reads. Empty for the whole file."""
    words = ""
    for step in path:
        if isinstance(step, int):
            words += f"[{step}]"
        elif step == ITEM:
            words += ITEM
        elif step == ANY or PLAIN.fullmatch(step):
            words += f".{step}" if words else step
        else:
            words += f"[{json.dumps(step, ensure_ascii=False)}]"
    return words


def copied(file: Path, content: Mapping[str, object]) -> dict[str, object]:
    """A copy of what the file holds, in which nothing is there twice, as YAML's aliases are.

    Raises InputError if a name is no text, as `1:` in YAML is none: JSON has no such names, nor has its schema.
    """
    if wrong := [*_no_texts(content, ())]:
        raise InputError(f"{file.name} has names that are no text.", where="\n".join([f"In {file}:", *wrong]))
    return {name: _copied(value) for name, value in content.items()}


def _no_texts(value: object, path: tuple[str | int, ...]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, under in value.items():
            if not isinstance(name, str):
                place = f"{dotted(path)}: " if path else ""
                read = json.dumps(name, default=str)
                yield f"  {place}the name {read} is no text, as YAML reads it: put it in quotes"
            yield from _no_texts(under, (*path, str(name)))
    elif isinstance(value, list):
        for number, under in enumerate(value):
            yield from _no_texts(under, (*path, number))


def _copied(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _copied(under) for name, under in value.items()}
    return [_copied(under) for under in value] if isinstance(value, list) else value


def yaml_text(value: object) -> str:
    """A value as YAML, on one line."""
    import yaml

    words: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return words.removesuffix("\n").removesuffix("\n...")
