"""A schema as a reader takes it: with all that it refers to, and all of which must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from byok8s.schema.load import REFERENCES, Loaded, Resolver


@dataclass(frozen=True)
class Place:
    """A schema as it is written. resolver: where its references start from."""

    contents: Mapping[str, object]
    resolver: Resolver


@dataclass(frozen=True)
class Node:
    """written: the schemas of the same value, as of one name in `properties` and in `allOf`.

    parts: these, with what they refer to and what is in their `allOf`.
    """

    loaded: Loaded
    written: Sequence[Place]
    parts: Sequence[Place]

    @classmethod
    def of(cls, loaded: Loaded, written: Sequence[Place]) -> Node:
        parts: dict[int, Place] = {}
        for place in written:
            _add(loaded, place, parts)
        return cls(loaded, written, [*parts.values()])

    @property
    def ids(self) -> frozenset[int]:
        """By which to know a schema that is in itself."""
        return frozenset(id(part.contents) for part in self.parts)

    def first(self, *words: str) -> object:
        """The value of the first of the keywords that is there."""
        values = (part.contents[word] for word in words for part in self.parts if word in part.contents)
        return next(values, None)

    def under(self, *words: str) -> Sequence[Node]:
        """The schemas of keywords that have one, a list of them, or one for each name."""
        return [Node.of(self.loaded, [place]) for word in words for _, place in self._inner(word)]

    def named(self, word: str = "properties") -> Mapping[str, Node]:
        """The schema of each name; what is said of a name in several places is one."""
        found: dict[str, list[Place]] = {}
        for name, place in self._inner(word):
            found.setdefault(name, []).append(place)
        return {name: Node.of(self.loaded, places) for name, places in found.items()}

    def listed(self, word: str) -> Sequence[object]:
        """What is in the lists of a keyword."""
        lists = [part.contents.get(word) for part in self.parts]
        return [value for found in lists if isinstance(found, list) for value in found]

    def _inner(self, word: str) -> Iterator[tuple[str, Place]]:
        for part in self.parts:
            found = part.contents.get(word)
            if isinstance(found, Mapping) and word not in {"properties", "patternProperties"}:
                found = [found]
            pairs = found.items() if isinstance(found, Mapping) else enumerate(_list(found))
            for name, contents in pairs:
                if isinstance(contents, Mapping):
                    yield str(name), Place(contents, self.loaded.resolver(part.resolver, contents))


def _add(loaded: Loaded, place: Place, parts: dict[int, Place]) -> None:
    if id(place.contents) in parts:
        return
    parts[id(place.contents)] = place
    for word in REFERENCES:
        if isinstance(reference := place.contents.get(word), str):
            found = place.resolver.lookup(reference)
            if isinstance(found.contents, Mapping):
                _add(loaded, Place(found.contents, found.resolver), parts)
    for under in _list(place.contents.get("allOf")):
        if isinstance(under, Mapping):
            _add(loaded, Place(under, loaded.resolver(place.resolver, under)), parts)


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []
