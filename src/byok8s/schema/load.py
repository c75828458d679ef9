"""A schema file, read and checked: it, and every file that it refers to, are on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin, urlparse
from urllib.request import url2pathname

from byok8s import files
from byok8s.errors import InputError
from byok8s.schema.names import copied, dotted
from byok8s.schema.violations import Keyword, Validator, lines

if TYPE_CHECKING:
    from referencing import Registry, Resource, Specification
    from referencing.jsonschema import Schema

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
IDS = ("$id", "id")  # the second up to draft 4


class Resolved(Protocol):
    """What a reference leads to. resolver: for the references in it."""

    @property
    def contents(self) -> Schema: ...

    @property
    def resolver(self) -> Resolver: ...


class Resolver(Protocol):
    """From where references are followed, as referencing has it."""

    def lookup(self, ref: str) -> Resolved: ...

    def in_subresource(self, subresource: Resource[Schema]) -> Resolver: ...


@dataclass(frozen=True)
class Loaded:
    """A schema that can be used.

    kind: jsonschema's class for its dialect. contents: without `$schema`, and with the file's own URI for an `$id`.
    root: where its references start from. read: the files that it refers to.
    """

    path: Path
    kind: type[Validator]
    contents: Mapping[str, object]
    registry: Registry[Schema]
    specification: Specification[Schema]
    root: Resolver
    read: _Files

    def validator(
        self, changed: Mapping[str, Callable[[Keyword], Keyword]] = MappingProxyType({})
    ) -> Validator:
        """changed: what makes of a keyword's check another one."""
        from jsonschema.validators import extend

        known = self.kind.VALIDATORS
        checks = {name: change(known[name]) for name, change in changed.items() if name in known}
        found: Validator = extend(self.kind, checks)(self.contents, registry=self.registry)
        return found

    def resolver(self, above: Resolver, part: Mapping[str, object]) -> Resolver:
        """Where the references of a part start from. above: where those of what it is in do."""
        return above.in_subresource(self.specification.create_resource(part))


def load(path: Path) -> Loaded:
    """Read and check a schema. Raises InputError for each of its faults, and for a reference that leads nowhere."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY
    from referencing import Registry
    from referencing.jsonschema import specification_with

    written = copied(path, files.load(path))
    kind = validator_for(written, default=Draft202012Validator)
    specification = specification_with(kind.META_SCHEMA["$schema"])
    # as Snakemake has it: what is said of where the schema is published is not where its references are looked for
    uri = path.resolve().as_uri()
    name = next(name for name in IDS if specification.id_of({name: uri}))
    contents = {**_undated(written), name: uri}
    read = _Files(path, written, specification)
    # mypy does not know the alias of the field
    reader: Registry[Schema] = Registry(retrieve=read.resource)  # type: ignore[call-arg]
    registry = REGISTRY.combine(reader).with_resource(uri, specification.create_resource(contents))
    loaded = Loaded(path, kind, contents, registry, specification, registry.resolver(uri), read)
    meta = kind(kind.META_SCHEMA, format_checker=kind.FORMAT_CHECKER)
    _check(loaded, contents, loaded.root, meta, f"In {path}:", set())
    return loaded


class _Files:
    """The files that a schema refers to, each read once. None is fetched from elsewhere."""

    def __init__(
        self, path: Path, written: Mapping[str, object], specification: Specification[Schema]
    ) -> None:
        self._folder, self._dialect = path.resolve().parent.as_uri() + "/", written.get("$schema")
        self._specification, self._read = specification, dict[str, "Resource[Schema]"]()
        self.fault: InputError | None = None  # not every referencing says why a resource could not be had

    def resource(self, uri: str) -> Resource[Schema]:
        from referencing import Resource
        from referencing.exceptions import NoSuchResource

        place = urlparse(urljoin(self._folder, uri))
        path = Path(url2pathname(place.path))
        if place.scheme != "file" or not path.is_file():
            raise NoSuchResource(uri)
        if uri not in self._read:
            try:
                written = copied(path, files.load(path))
            except InputError as error:
                self.fault = error
                raise
            same = written.get("$schema", self._dialect) == self._dialect
            self._read[uri] = Resource.from_contents(
                _undated(written) if same else written, self._specification
            )
        return self._read[uri]


def _undated(written: Mapping[str, object]) -> Mapping[str, object]:
    """Without its dialect, which is known; for a part that names one, jsonschema has a validator that fills nothing."""
    return {name: value for name, value in written.items() if name != "$schema"}


def _check(
    loaded: Loaded,
    contents: Schema,
    resolver: Resolver,
    meta: Validator,
    where: str,
    seen: set[int],
) -> None:
    """Raises InputError unless contents, and all that it refers to, is a schema. seen: what was checked, by its id."""
    if wrong := lines(meta.iter_errors(contents)):
        raise InputError(f"{loaded.path.name} is not a JSON Schema.", where="\n".join([where, *wrong]))
    if not isinstance(contents, Mapping):
        return
    places = dict(_places(contents, ()))
    for part, within in [*_parts(loaded, contents, resolver)]:
        seen.add(id(part))
        for reference in [part[name] for name in REFERENCES if isinstance(part.get(name), str)]:
            place = dotted((*places.get(id(part), ()), "$ref"))
            found, there = _found(loaded, str(reference), within, f"{where}\n  {place}: {reference}")
            if id(found) not in seen:
                seen.add(id(found))
                _check(loaded, found, there, meta, f"In {loaded.path}, {place}: {reference}:", seen)


def _found(loaded: Loaded, reference: str, resolver: Resolver, where: str) -> tuple[Schema, Resolver]:
    from referencing.exceptions import Unresolvable

    try:
        found = resolver.lookup(reference)
    except Unresolvable as error:
        if loaded.read.fault:
            raise loaded.read.fault from error
        raise InputError(
            f"{loaded.path.name} refers to what is not there.",
            where=where,
            hint="A $ref names a part of the schema, as #/$defs/NAME, or a file next to it; nothing is fetched.",
        ) from error
    return found.contents, found.resolver


def _parts(
    loaded: Loaded, contents: Mapping[str, object], resolver: Resolver
) -> Iterator[tuple[Mapping[str, object], Resolver]]:
    """A schema and all schemas in it."""
    yield contents, resolver
    for under in loaded.specification.create_resource(contents).subresources():
        if isinstance(under.contents, Mapping):
            yield from _parts(loaded, under.contents, loaded.resolver(resolver, under.contents))


def _places(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """Where each mapping is, by its id."""
    if isinstance(value, Mapping):
        yield id(value), path
        for name, under in value.items():
            yield from _places(under, (*path, name))
    elif isinstance(value, list):
        for place, under in enumerate(value):
            yield from _places(under, (*path, place))
