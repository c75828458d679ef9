"""What programs write to a terminal, as lines that move nothing there: bytes in, text out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from byok8s.shown import visible

LONGEST: Final = 16 * 1024  # characters of a line; what is longer is told in several
MOST_COLOURS: Final = 4  # one after the other without an end: colour, background, bold, underlined
RESET: Final = "\x1b[0m"
_COLOUR: Final = re.compile(r"(\x1b\[[0-9;:]*m)")
_NO_COLOUR: Final = re.compile(r"\x1b\[0*m")
# all that a terminal would obey and that has an end: moves, erasures, titles
_ORDER: Final = re.compile(
    r"\x1b\[(?![0-9;:]*m)[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]"
)
_OVERWRITTEN: Final = re.compile(r"[^\n]*\r(?!\n)")
_LINE_END: Final = re.compile(r"\r+\n")


class Lines:
    """Turns bytes, as they come, into whole lines that can be shown.

    Colours stay, if they are wanted. Of what a program overwrites, as a bar of progress, the last is told. Other orders
    to a terminal are left out, and what is no whole order, as in binary data, is written out.
    """

    def __init__(self, *, colours: bool) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._colours = colours
        self._begun = ""  # a line that has no end yet
        self._on: tuple[str, ...] = ()  # colours that go on at the next line

    def take(self, data: bytes) -> str:
        """Return the lines that have ended with these bytes."""
        whole, end, rest = (self._begun + self._decode(data)).rpartition("\n")
        self._begun = _last(rest)
        if len(self._begun) > LONGEST:
            return self._told(whole + end + self._begun + "\n", begun="")
        return self._told(whole + end, begun=self._begun)

    def rest(self) -> str:
        """Return the line that has no end."""
        return self._told((self._begun + self._decode(b"", True)).rstrip("\r"), begun="")

    def _told(self, text: str, *, begun: str) -> str:
        self._begun = begun
        if "\r" in text:
            text = _OVERWRITTEN.sub("", _LINE_END.sub("\n", text))
        if "\x1b" not in text and not self._on:
            return visible(text)
        return "".join(self._coloured(_ORDER.sub("", text)))

    def _coloured(self, text: str) -> Iterator[str]:
        """Give the parts of a text, each made safe, with the colours that it begins with and without any at its end."""
        if not text:
            return
        yield from self._on
        for part in _COLOUR.split(text):
            if not _COLOUR.fullmatch(part):
                yield visible(part)
            elif self._colours:
                self._on = () if _NO_COLOUR.fullmatch(part) else (*self._on, part)[-MOST_COLOURS:]
                yield part
        if self._on:
            yield RESET


def _last(line: str) -> str:
    """Return a line that goes on without what is overwritten; the end of the line may be about to come."""
    said = line.rstrip("\r")
    return said.rpartition("\r")[2] + ("\r" if said != line else "")
