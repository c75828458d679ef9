"""The parameters that a schema documents, one by one."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from byok8s.schema.kinds import kind
from byok8s.schema.load import load
from byok8s.schema.names import ANY, ITEM, dotted, yaml_text
from byok8s.schema.node import Node, Place


@dataclass(frozen=True)
class Parameter:
    """A name that a params file may have.

    steps: of its path; ITEM for those in each item of a list, ANY for those under any name. kind: what it takes.
    default: as YAML, on a line; empty if there is none, which a default of '' is not. required: has no default.
    conditional: the default or the requirement counts only where the mapping that it is in is given, or where an
    alternative is chosen.
    """

    steps: tuple[str, ...]
    kind: str
    default: str
    required: bool
    conditional: bool
    description: str

    @property
    def path(self) -> str:
        """As people write it: reads.length."""
        return dotted(self.steps)


def parameters(schema: Path) -> Sequence[Parameter]:
    """All names, those of a mapping after it. Raises InputError for a schema that is none."""
    loaded = load(schema)
    root = Node.of(loaded, [Place(loaded.contents, loaded.root)])
    return [*_inner(root, (), conditional=False, above=frozenset())]


def _inner(
    node: Node, steps: tuple[str, ...], *, conditional: bool, above: frozenset[int]
) -> Iterator[Parameter]:
    """above: ids of the schemas that the node is in; one that is in itself is not shown again."""
    if node.ids <= above:
        return
    above |= node.ids
    properties, required = node.named(), node.listed("required")
    for name, child in properties.items():
        found = _parameter(child, (*steps, name), required=name in required, conditional=conditional)
        yield found
        given = not conditional and (found.required or found.default != "")
        yield from _inner(child, found.steps, conditional=not given, above=above)
    for under in node.under("items"):
        yield from _inner(under, (*steps, ITEM), conditional=False, above=above)
    for under in node.under("additionalProperties", "patternProperties"):
        yield from _inner(under, (*steps, ANY), conditional=False, above=above)
    yield from _alternatives(node, steps, properties, above)


def _alternatives(
    node: Node, steps: tuple[str, ...], properties: Container[str], above: frozenset[int]
) -> Iterator[Parameter]:
    """Those that only some alternatives have; what several say of one is one."""
    found: dict[tuple[str, ...], Parameter] = {}
    for under in node.under("oneOf", "anyOf", "then", "else"):
        for one in _inner(under, steps, conditional=True, above=above):
            known = found.get(one.steps)
            found[one.steps] = _merged(known, one) if known else one
    yield from (one for one in found.values() if one.steps[len(steps)] not in properties)


def _merged(one: Parameter, other: Parameter) -> Parameter:
    kinds = dict.fromkeys([one.kind, other.kind])
    return replace(
        one,
        kind=" or ".join(kinds),
        default=one.default or other.default,
        required=one.required and other.required,
        description=one.description or other.description,
    )


def _parameter(node: Node, steps: tuple[str, ...], *, required: bool, conditional: bool) -> Parameter:
    # as Snakemake's validate() does, which does not look behind a $ref for it
    defaults = [place.contents["default"] for place in node.written if "default" in place.contents]
    default = yaml_text(defaults[0]) if defaults else ""
    description = node.first("description", "title") or ""
    return Parameter(
        steps, kind(node), default, required and not defaults, conditional, " ".join(str(description).split())
    )
