"""A params file checked against the schema, and the schema's defaults filled in."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path

from byok8s.errors import InputError
from byok8s.schema.load import REFERENCES, load
from byok8s.schema.names import copied
from byok8s.schema.violations import FORBIDDEN, Error, Keyword, Validator, Violation, lines

# references in one another, and so the depth of data that a schema which refers to itself describes; Python's own limit
# is met in the midst of libraries that do not bear it
DEEPEST = 40


class _Endless(Exception):
    """A reference leads to itself."""


def apply(schema: Path, params_file: Path, content: Mapping[str, object]) -> Mapping[str, object]:
    """Return the content, with a value for each absent name that has a default in an object that is there.

    Raises InputError that lists every violation; and for a schema that is none.
    """
    loaded = load(schema)
    given, filled = copied(params_file, content), copied(params_file, content)
    try:
        for _ in loaded.validator(FILLING).iter_errors(filled):
            pass  # what is wrong is said of the whole, once all is filled in
        wrong = lines(
            loaded.validator(CHECKING).iter_errors(filled), lambda violation: _whose(given, violation)
        )
    except _Endless as error:
        raise InputError(
            f"{schema.name} refers to itself without end.",
            where=f"In {schema}: more than {DEEPEST} references in one another, for {params_file}.",
        ) from error
    if wrong:
        raise InputError(
            f"{params_file.name} does not fit {schema.name}.",
            where="\n".join([f"In {params_file}:", *wrong]),
            hint="`byok8s params` lists the parameters.",
        )
    return filled


def _whose(given: object, violation: Violation) -> str:
    """Said of a value that is not the user's own."""
    for step in violation.path:
        names = dict(enumerate(given)) if isinstance(given, list) else given
        if not isinstance(names, Mapping) or step not in names:
            return " (it is the schema's default)"
        given = names[step]
    return ""


def _filling(check: Keyword) -> Keyword:
    """The keyword `properties` as Snakemake's validate() has it: the default of what is absent is put there first."""

    def properties(validator: Validator, value: object, instance: object, schema: object) -> Iterator[Error]:
        if isinstance(value, Mapping) and isinstance(instance, dict):
            for name, under in value.items():
                if isinstance(under, Mapping) and "default" in under:
                    instance.setdefault(name, copy.deepcopy(under["default"]))
        yield from check(validator, value, instance, schema) or ()

    return properties


def _choosing(_: Keyword) -> Keyword:
    """The keywords `anyOf` and `oneOf`: the first alternative that fits gives its defaults, and no other does.

    Each is tried once: tried twice at every level, alternatives in alternatives would be tried without end.
    """

    def alternatives(validator: Validator, value: object, instance: object, _: object) -> Iterator[Error]:
        wrong: list[Error] = []
        for under in value if isinstance(value, list) else []:
            trial = copy.deepcopy(instance)
            found = [*validator.descend(trial, under)]
            if not found:
                _adopt(trial, instance)
                return
            wrong += found
        yield from wrong

    return alternatives


def _adopt(trial: object, instance: object) -> None:
    if isinstance(instance, dict) and isinstance(trial, dict):
        instance.update(trial)
    elif isinstance(instance, list) and isinstance(trial, list):
        instance[:] = trial


def _telling(check: Keyword) -> Keyword:
    """The keyword `properties`, for violations: where a schema is `false`, jsonschema does not say of which name."""

    def properties(validator: Validator, value: object, instance: object, schema: object) -> Iterator[Error]:
        names = value if isinstance(value, Mapping) else {}
        told = {name: FORBIDDEN if under is False else under for name, under in names.items()}
        yield from check(validator, told, instance, schema) or ()

    return properties


def _bounded(check: Keyword) -> Keyword:
    """The keyword `$ref`, which alone can lead to the same schema again."""
    depth = 0

    def reference(validator: Validator, value: object, instance: object, schema: object) -> Iterator[Error]:
        nonlocal depth
        if depth == DEEPEST:
            raise _Endless
        depth += 1
        try:
            yield from check(validator, value, instance, schema) or ()
        finally:
            depth -= 1

    return reference


_ENDING = dict.fromkeys(REFERENCES, _bounded)
CHECKING = {**_ENDING, "properties": _telling}
FILLING = {**_ENDING, "properties": _filling, "anyOf": _choosing, "oneOf": _choosing}
