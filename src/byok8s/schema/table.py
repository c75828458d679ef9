"""The documented parameters as a table for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from byok8s.schema.documented import Parameter

WIDTH = 80
GAP = "  "
HEAD = ("NAME", "TYPE", "DEFAULT", "DESCRIPTION")
WIDEST = (24, 20, 14)  # of all columns but the last, which has what they leave
CONDITIONAL = "In parentheses: if what it is part of is given."


def table(parameters: Sequence[Parameter]) -> str:
    """A name is never broken: where it is too long, the rest of its row stands below it."""
    rows = [(one.path, one.kind, _default(one), one.description) for one in parameters]
    columns = [*zip(HEAD, *rows, strict=True)][:-1]
    widths = [min(max(map(len, column)), most) for column, most in zip(columns, WIDEST, strict=True)]
    widths.append(WIDTH - sum(widths) - len(GAP) * len(widths))
    shown = [line for row in (HEAD, *rows) for line in _lines(row, widths)]
    if any(one.conditional and _default(one) != "optional" for one in parameters):
        shown += ["", CONDITIONAL]
    return "\n".join(shown)


def _default(parameter: Parameter) -> str:
    words = "required" if parameter.required else parameter.default
    if not words:
        return "optional"
    return f"({words})" if parameter.conditional else words


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *others = row
    cells = [
        textwrap.wrap(cell, width, break_on_hyphens=False)
        for cell, width in zip(others, widths[1:], strict=True)
    ]
    if len(name) > widths[0]:
        return [name, *_joined([[], *cells], widths)]
    return _joined([[name], *cells], widths)


def _joined(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    return [
        GAP.join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip_longest(*cells, fillvalue="")
    ]
