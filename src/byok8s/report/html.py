"""HTML out of values. Text is text by its type: what was not made here as markup is escaped, whoever wrote it."""

from __future__ import annotations

from html import escape

from byok8s.shown import visible

_VOID = frozenset({"meta", "input", "br"})


class Html(str):
    """Markup."""

    __slots__ = ()


def text(words: str) -> Html:
    """Return the markup of a text: also what would change the order in which it is shown is seen."""
    return words if isinstance(words, Html) else Html(escape(visible(words)))


def join(parts: list[Html]) -> Html:
    return Html("".join(parts))


def el(tag: str, *children: str, **attributes: str | bool) -> Html:
    """Return an element. attributes: class_ stands for class, a_b for a-b; True for one without a value."""
    found = "".join(_attribute(name, value) for name, value in attributes.items() if value is not False)
    inner = "".join(map(text, children))
    return Html(f"<{tag}{found}>" if tag in _VOID else f"<{tag}{found}>{inner}</{tag}>")


def _attribute(name: str, value: str | bool) -> str:
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(visible(str(value)))}"'


def table(caption: str, head: list[str], rows: list[list[str]], *, left: int = 1) -> Html:
    """Return a table that can be scrolled aside. left: how many columns, from the first, are text."""
    sides = ["" if number < left else "num" for number in range(len(head))]
    cells = [el("th", cell, scope="col", class_=side) for cell, side in zip(head, sides, strict=True)]
    body = [
        el(
            "tr",
            el("th", row[0], scope="row"),
            *(el("td", cell, class_=side) for cell, side in zip(row[1:], sides[1:], strict=True)),
        )
        for row in rows
    ]
    whole = el("table", el("caption", caption), el("thead", el("tr", *cells)), el("tbody", *body))
    return el("div", whole, class_="wide", tabindex="0", role="region", aria_label=caption)


def section(id_: str, title: str, *children: str) -> Html:
    return el("section", el("h2", title, id=id_), *children, aria_labelledby=id_)


def snippet(id_: str, label: str, code: str) -> Html:
    block = el("pre", code, id=id_, tabindex="0", role="region", aria_label=label)
    return el("div", block, el("button", "Copy", type="button", data_copy=id_), class_="snippet")
