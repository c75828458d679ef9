"""What programs write to a terminal, as lines that move nothing there."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok8s.run.lines import LONGEST, Lines
from byok8s.shown import visible

RED, END = "\x1b[31m", "\x1b[0m"


def told(*pieces: bytes, colours: bool = True) -> str:
    lines = Lines(colours=colours)
    return "".join(map(lines.take, pieces)) + lines.rest()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"a line\n", "a line\n"),
        (b"half", "half"),
        (b"tab\there\r\nand\r\r\n", "tab\there\nand\n"),
        (b"\r 10 %\r 50 %\r100 %\n", "100 %\n"),
        (b"\r 10 %\r 50 %", " 50 %"),
        (b" 10 %\r 50 %\r", " 50 %"),
        ("\u00e9\u4e2d\n".encode(), "\u00e9\u4e2d\n"),
        (b"\xff\x00\x07\n", "\\xff\\x00\\x07\n"),
        (b"\x1b[2J\x1b[3A\x1b[Kgone\x1b[?25l\n", "gone\n"),
        (b"\x1b]0;a title\x07said\x1b]8;;u\x1b\\\n", "said\n"),
        (b"\x1bcreset\n", "\\x1bcreset\n"),
        (b"\x1b[31mred\x1b[0m\n", f"{RED}red{END}\n"),
        ("\u202eback\n".encode(), "\\u202eback\n"),
    ],
)
def test_a_line_is_shown_as_a_terminal_would_have_it_in_the_end(written: bytes, shown: str) -> None:
    assert told(written) == shown
    assert told(*(bytes([each]) for each in written)) == shown


def test_a_line_is_told_when_it_ends() -> None:
    lines = Lines(colours=True)
    assert lines.take(b"one\ntwo, hal") == "one\n"
    assert lines.take(b"f") == ""
    assert lines.take(b" and whole\n") == "two, half and whole\n"


def test_a_colour_goes_on_at_the_next_line_and_not_in_between() -> None:
    lines = Lines(colours=True)
    assert lines.take(b"\x1b[31mError:\n") == f"{RED}Error:\n{END}"
    assert lines.take(b"  why\n\x1b[0m") == f"{RED}  why\n{END}"
    assert lines.take(b"else\n") == f"{RED}{END}else\n"
    assert lines.take(b"else\n") == "else\n"
    assert told(b"\x1b[31mred\x1b[0m\n", colours=False) == "red\n"


def test_a_line_without_an_end_is_not_kept_whole() -> None:
    lines = Lines(colours=True)
    found = [lines.take(b"x" * 1000) for _ in range(100)]
    assert "".join(found).replace("\n", "") + lines.rest() == "x" * 100_000
    assert max(map(len, found)) <= LONGEST + 1001


PIECES = st.sampled_from(
    [b"a", b"\n", b"\r", b"\x1b", b"[", b"31", b"m", b"2J", b"\x07", b"]", b"\xff", b"\xc3", b";"]
)


@given(st.lists(PIECES, max_size=30), st.lists(st.integers(0, 60), max_size=4))
def test_nothing_that_is_shown_moves_anything(written: list[bytes], cuts: list[int]) -> None:
    data = b"".join(written)
    places = sorted({0, *cuts, len(data)})
    shown = re.sub(r"\x1b\[[0-9;]*m", "", told(*(data[start:end] for start, end in pairwise(places))))
    assert visible(shown) == shown
