"""A params file to begin with: the defaults, what is required as comments to fill in, and what each is for."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from byok8s.schema.documented import Parameter
from byok8s.schema.names import ANY, ITEM, yaml_text

WIDTH = 80
ANY_NAME = "NAME"


def skeleton(parameters: Sequence[Parameter]) -> str:
    """YAML, that says what the schema's defaults say and no more.

    It fits the schema once what is required has lost its `#` and got a value.
    """
    return "\n".join(line for block in _blocks(parameters, (), live=True) for line in ["", *block]).lstrip(
        "\n"
    )


def _blocks(parameters: Sequence[Parameter], steps: tuple[str, ...], *, live: bool) -> list[list[str]]:
    """The lines of each parameter that is directly under these steps. live: whether that is not commented out."""
    inside = [one for one in parameters if one.steps[: len(steps)] == steps]
    return [_block(inside, one, live=live) for one in inside if one.steps[:-1] == steps]


def _block(inside: Sequence[Parameter], one: Parameter, *, live: bool) -> list[str]:
    names = any(other.steps[:-1] == one.steps and other.steps[-1] not in {ITEM, ANY} for other in inside)
    if names and one.default in {"", "{}"}:
        lines = _mapping(inside, one, live=live)
    elif one.default and not (live and one.conditional):
        lines = [f"{yaml_text(one.steps[-1])}: {one.default}"]
    elif live or not one.required:
        lines = _commented([f"{yaml_text(one.steps[-1])}:", *_each(inside, one)])
    else:
        lines = [f"{yaml_text(one.steps[-1])}:", *_each(inside, one)]
    return [*_words(one), *lines]


def _mapping(inside: Sequence[Parameter], one: Parameter, *, live: bool) -> list[str]:
    """Name by name; commented out where nothing of it is said, as what is absent is not filled in."""
    given = (one.required or one.default != "") and not (live and one.conditional)
    under = [line for block in _blocks(inside, one.steps, live=live and given) for line in block]
    lines = [f"{yaml_text(one.steps[-1])}:", *_indented(under)]
    says = any(not line.lstrip().startswith("#") for line in under)
    return lines if given and says else _commented(lines)


def _each(inside: Sequence[Parameter], one: Parameter) -> list[str]:
    """One item of a list, or one of the names that are free."""
    for step, head in ((ITEM, "-"), (ANY, f"{ANY_NAME}:")):
        if under := [line for block in _blocks(inside, (*one.steps, step), live=False) for line in block]:
            return _indented([head, *_indented(under)])
    return []


def _words(one: Parameter) -> list[str]:
    demand = "; required" if one.required else "; optional" if not one.default else ""
    width = WIDTH - 2 - 2 * (len(one.steps) - 1)
    return _commented([*textwrap.wrap(one.description, width), *textwrap.wrap(one.kind + demand, width)])


def _commented(lines: Sequence[str]) -> list[str]:
    return [f"# {line}".rstrip() for line in lines]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
