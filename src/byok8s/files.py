"""Reading the JSON and YAML files that users write, with the place of every fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from byok8s.errors import InputError

SUFFIXES = (".json", ".yaml", ".yml")
SNAKEFILES = (Path("Snakefile"), Path("workflow", "Snakefile"))  # where one is looked for, as Snakemake does
T = TypeVar("T", bound=msgspec.Struct)


def find(kind: str, name: str, elsewhere: Path | None = None) -> Path:
    """The file that `name` means: itself, or its stem with .json, .yaml or .yml.

    kind: what the file is to the user, for the error. elsewhere: a folder to look in after the working folder.
    Raises InputError that lists every place looked at.
    """
    places = _meant(Path(name).expanduser())
    if elsewhere:
        places += [elsewhere / place for place in places]
    for place in places:
        if place.is_file():
            return place.resolve()
    raise InputError(
        f"There is no {kind} {name!r}.",
        where="Looked for " + ", ".join(str(place) for place in places) + f" (in {Path.cwd()}).",
        hint="Name a file, or its name without .json, .yaml or .yml.",
    )


def _meant(given: Path) -> list[Path]:
    """What a name may mean: itself, or a stem."""
    return [given, *(Path(f"{given}{suffix}") for suffix in SUFFIXES)]


def find_within(what: str, folder: Path, name: str) -> Path:
    """A file of a folder by its path there, or its stem. what: the folder to the user. Raises InputError."""
    for place in _meant(folder / name):
        if place.is_file() and place.resolve().is_relative_to(folder.resolve()):
            return place
    raise InputError(f"There is no file {name!r} in {what}.", hint="Name it by its path within.")


def load(path: Path) -> Mapping[str, object]:
    """The mapping that a JSON or YAML file holds; an empty file holds an empty one.

    Raises InputError with line and column where the file cannot be parsed, and where it holds no mapping.
    """
    words = _read(path)
    value = _parse_json(path, words) if path.suffix == ".json" else _parse_yaml(path, words)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(
            f"{path.name} must hold names and values, but holds a {_kind(value)}.", where=f"In {path}."
        )
    return value


def load_as(path: Path, kind: type[T]) -> T:
    """The file's content as a msgspec Struct. Raises InputError for an unknown name or a wrong type."""
    content = load(path)
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        fields = ", ".join(
            msgspec.structs.fields(kind)[n].name for n in range(len(msgspec.structs.fields(kind)))
        )
        raise InputError(
            f"{path.name}: {error}.", where=f"In {path}.", hint=f"It may hold: {fields}."
        ) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read: {error}.", where=f"In {path}.") from error


def _parse_json(path: Path, words: str) -> object:
    if not words.strip():
        return None
    try:
        value: object = json.loads(words)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.name} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            where=f"In {path}.",
        ) from error
    return value


def _parse_yaml(path: Path, words: str) -> object:
    import yaml

    try:
        value: object = yaml.safe_load(words)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(f"{path.name} is not valid YAML: {problem}{place}.", where=f"In {path}.") from error
    return value


def _kind(value: object) -> str:
    return {list: "list", str: "text", bool: "true or false", int: "number", float: "number"}.get(
        type(value), type(value).__name__
    )
