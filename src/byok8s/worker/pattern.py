"""Patterns of paths, as people write them: `*` and `?` within a name, `**` for folders of any depth."""

from __future__ import annotations

import re

_WORDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def expression(pattern: str) -> re.Pattern[str]:
    """Return what matches, as a whole, the paths that a pattern names; and, if that is a folder, all that is in it."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", plain(pattern))
    whole = "".join(_WORDS.get(part, re.escape(part)) for part in parts)
    return re.compile(f"{whole}(?:/.*)?", re.DOTALL)


def beginning(pattern: str) -> str:
    """Return what all paths that a pattern names begin with."""
    return re.split(r"[*?]", plain(pattern))[0]


def plain(pattern: str) -> str:
    """Return a pattern without what says nothing: a leading ./ and a slash at its end."""
    return pattern.removeprefix("./").strip("/")
