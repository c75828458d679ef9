"""What jsonschema finds wrong, in words for the person who wrote the file: each violation with its path, on a line."""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

from byok8s.schema.names import dotted

FORBIDDEN: Mapping[str, object] = {"not": {}}  # what `false` means, as a schema
LONGEST = 60  # characters of a value that is shown


class Error(Protocol):
    """A jsonschema.ValidationError. validator: the keyword; None if the schema is `false`."""

    message: str
    validator: str | None
    validator_value: object
    instance: object
    schema: object

    @property
    def absolute_path(self) -> Sequence[str | int]: ...

    @property
    def relative_schema_path(self) -> Sequence[str | int]: ...

    @property
    def parent(self) -> Error | None: ...

    @property
    def context(self) -> Sequence[Error]: ...


class Validator(Protocol):
    """A jsonschema validator. VALIDATORS: the check of each keyword."""

    VALIDATORS: ClassVar[Mapping[str, Keyword]]

    def iter_errors(self, instance: object) -> Iterator[Error]: ...

    def descend(self, instance: object, schema: object) -> Iterator[Error]: ...


# validator, the keyword's value, the instance, and the schema that the keyword is in
Keyword = Callable[[Validator, object, object, object], Iterable[Error] | None]


class Violation(NamedTuple):
    """path: of the value that does not fit. words: what is wrong. at: the path to say, which may be of a name in it."""

    path: tuple[str | int, ...]
    words: str
    at: tuple[str | int, ...]


def lines(errors: Iterable[Error], note: Callable[[Violation], str] = lambda _: "") -> list[str]:
    """Return a line for each violation, in the order of their paths. note: what else to say of one."""
    found = sorted((violation for error in errors for violation in _violations(error)), key=_place)
    rows = [
        f"  {dotted(violation.at) or 'the file'}: {violation.words}{note(violation)}" for violation in found
    ]
    return [*dict.fromkeys(rows)]


def _place(violation: Violation) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (0, step) for step in violation.at]


def _violations(error: Error) -> Iterator[Violation]:
    path = (*error.absolute_path,)
    names = error.instance if isinstance(error.instance, Mapping) else {}
    if error.validator == "required" and isinstance(error.validator_value, list):
        for name in error.validator_value:
            if name not in names:
                unknown = [other for other in names if other not in _known(error.schema)]
                yield Violation(
                    path, f"is required, and missing{_near(name, unknown, 'there is')}", (*path, name)
                )
    elif error.validator == "additionalProperties" and error.validator_value is False:
        for name in _unknown(names, error.schema):
            near = _near(name, _known(error.schema), "did you mean")
            yield Violation(path, f"is not a name that the schema knows{near}", (*path, name))
    elif error.validator in {"anyOf", "oneOf"}:
        yield from _of_alternatives(error, path)
    else:
        yield Violation(path, _words(error), path)


def _of_alternatives(error: Error, path: tuple[str | int, ...]) -> Iterator[Violation]:
    """Yield the violations of the one alternative that was meant, if that is clear; else why none will do."""
    branches: dict[str | int, list[Error]] = {}
    for under in error.context:
        branches.setdefault(under.relative_schema_path[0], []).append(under)
    if not branches:
        yield Violation(
            path, f"{shown(error.instance)} fits more than one of the alternatives in oneOf", path
        )
        return
    meant = [branch for branch in branches.values() if not any(map(_is_of_another_kind, branch))]
    if len(branches) == 1 or len(meant) == 1:
        for under in meant[0] if meant else next(iter(branches.values())):
            yield from _violations(under)
        return
    reasons = [_reason(next(_violations(branch[0])), path) for branch in branches.values()]
    yield Violation(path, "; and ".join(dict.fromkeys(reasons)), path)


def _is_of_another_kind(error: Error) -> bool:
    """Return whether an alternative was not meant: the value is of another type, or a name in it says another one."""
    here = error.parent is not None and error.absolute_path == error.parent.absolute_path
    return error.validator in {"const", "enum"} or (error.validator == "type" and here)


def _reason(violation: Violation, path: tuple[str | int, ...]) -> str:
    return (
        violation.words if violation.at == path else f"{dotted(violation.at[len(path) :])}: {violation.words}"
    )


def _words(error: Error) -> str:
    value = shown(error.instance)
    if error.validator is None or {error.validator: error.validator_value} == FORBIDDEN:
        return "is not allowed here"
    if error.validator == "enum" and isinstance(error.validator_value, list):
        allowed = [*map(shown, error.validator_value)]
        return f"{value} is not one of {', '.join(allowed)}{_near(value, allowed, 'did you mean')}"
    if error.validator == "const":
        return f"{value} is not {shown(error.validator_value)}"
    if error.validator == "not":
        return f"{value} is what the schema excludes with not"
    written = repr(error.instance)
    words = error.message.removeprefix(written)
    words = f"{value}{words}" if words != error.message else words
    if error.validator == "type" and isinstance(error.instance, datetime.date):
        words += ": YAML reads it as a date, unless it is in quotes"
    return words


def shown(value: object) -> str:
    """Return a value as JSON has it, only the beginning if it is long."""
    words = json.dumps(value, ensure_ascii=False, default=str)
    words = words.strip('"') if isinstance(value, datetime.date) else words
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _near(name: str, names: Iterable[str], ask: str) -> str:
    found = difflib.get_close_matches(str(name), [*map(str, names)], 1)
    return f"; {ask} {found[0]}{'?' if ask.startswith('did') else ''}" if found else ""


def _known(schema: object) -> Mapping[str, object]:
    known = schema.get("properties") if isinstance(schema, Mapping) else None
    return known if isinstance(known, Mapping) else {}


def _unknown(names: Iterable[str], schema: object) -> list[str]:
    patterns = schema.get("patternProperties", {}) if isinstance(schema, Mapping) else {}
    return [
        name
        for name in names
        if name not in _known(schema) and not any(re.search(pattern, name) for pattern in patterns)
    ]
