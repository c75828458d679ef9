"""What was written by somebody else, made safe to show: a terminal obeys what it is told in the middle of a text.

Last lines of jobs, names of files, the words of a lock and of an annotation: all go through here, once, just before
they are shown, wherever they came from.
"""

from __future__ import annotations

import functools
import re

# Control characters but for the end of a line and the tab; and those that change the order in which text is shown
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return the text with each character that a terminal would obey written out, as \\x1b."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def guard_snakemake() -> None:
    """Have Snakemake show, and write into its log, what it is told in the same way. Its own colours come later."""
    from snakemake.logging import DefaultFormatter

    format_ = DefaultFormatter.format
    if hasattr(format_, "__wrapped__"):
        return

    @functools.wraps(format_)
    def safely(self: DefaultFormatter, record: object) -> object:
        words = format_(self, record)
        return visible(words) if isinstance(words, str) else words

    DefaultFormatter.format = safely
