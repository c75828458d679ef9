"""What a schema takes, in a few words: `integer 1 to 8`, `one of a, b`, `list of string`."""

from __future__ import annotations

from collections.abc import Sequence

from byok8s.schema.node import Node
from byok8s.schema.violations import shown

ANYTHING = "any value"
DEEPEST = 4  # lists of lists of …
NAMES = {"array": "list", "object": "mapping"}
# what says of which type a value is, where `type` does not
HINTS = {
    "properties": "object",
    "additionalProperties": "object",
    "patternProperties": "object",
    "items": "array",
    "pattern": "string",
}


def kind(node: Node, depth: int = 0) -> str:
    if depth > DEEPEST:
        return "…"
    constants = [part.contents["const"] for part in node.parts if "const" in part.contents]
    if constants:
        return shown(constants[0])
    if allowed := node.listed("enum"):
        return f"one of {', '.join(map(_plain, allowed))}"
    alternatives = dict.fromkeys(kind(under, depth + 1) for under in node.under("oneOf", "anyOf"))
    if said := [words for words in alternatives if words != ANYTHING]:
        return " or ".join(said)
    return " or ".join(_of_type(name, node, depth) for name in _types(node)) or ANYTHING


def _types(node: Node) -> list[str]:
    said = node.first("type")
    if said is None:
        return [name for word, name in HINTS.items() if node.first(word) is not None][:1]
    return [*map(str, said)] if isinstance(said, list) else [str(said)]


def _of_type(name: str, node: Node, depth: int) -> str:
    if name in {"integer", "number"}:
        return name + _bounds(node)
    if name == "string":
        form, pattern = node.first("format"), node.first("pattern")
        return name + (f" ({form})" if form else "") + (f" like {pattern}" if pattern else "")
    inner: Sequence[Node] = []
    if name == "array":
        inner = node.under("items")
    elif name == "object" and not node.named():
        inner = node.under("additionalProperties", "patternProperties")
    kinds = dict.fromkeys(kind(under, depth + 1) for under in inner)
    return NAMES.get(name, name) + (f" of {' or '.join(kinds)}" if kinds else "")


def _bounds(node: Node) -> str:
    least, most, step = node.first("minimum"), node.first("maximum"), node.first("multipleOf")
    above, below = node.first("exclusiveMinimum"), node.first("exclusiveMaximum")
    if least is not None and most is not None:
        words = f" {least} to {most}"
    else:
        words = (f" from {least}" if least is not None else "") + (
            f" up to {most}" if most is not None else ""
        )
    # up to draft 4 these are true or false, of minimum and maximum
    words += "" if above is None or isinstance(above, bool) else f" above {above}"
    words += "" if below is None or isinstance(below, bool) else f" below {below}"
    return words + (f" in steps of {step}" if step is not None else "")


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value else shown(value)
