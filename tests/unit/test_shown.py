"""What a terminal would obey is shown and not obeyed, wherever it comes from."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from snakemake.logging import DefaultFormatter

from byok8s import view
from byok8s.clean import Found
from byok8s.errors import InUse
from byok8s.leftovers import Run
from byok8s.locks.holder import Holder
from byok8s.shown import guard_snakemake, visible

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4K\x07"
CLEAR, TITLE = "\x1b[2J\x1b[H", "\x9d0;title\x9c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢 🙂\n\tindented", "plain ä 漢 🙂\n\tindented"),
        (CLIPBOARD, "\\x1b]52;c;cm0gLXJmIH4K\\x07"),
        (CLEAR, "\\x1b[2J\\x1b[H"),
        (TITLE, "\\x9d0;title\\x9c"),
        ("10 %\r100 %", "10 %\\r100 %"),
        ("a\0b\x08c\x7f", "a\\x00b\\x08c\\x7f"),
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),
    ],
)
def test_what_is_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_of_a_job_s_annotation(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(f"x{CLEAR}", (), f"ada@laptop{CLIPBOARD}", 1, 1, dead=False)
    view.say(view.leftovers(Found(None, "n", (run,), ()), [run]))
    assert "\x1b" not in capsys.readouterr().out


def test_of_a_lock_in_the_bucket(capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    holder = Holder(1, f"h{TITLE}", f"ada{CLIPBOARD}", f"/f{CLEAR}", now, now)
    view.show_error(InUse(f"Another run uses it: {holder}", where=f"In {holder.folder}."))
    said = capsys.readouterr().err
    assert not {"\x1b", "\x9d", "\x07"} & set(said)
    assert "\\x1b]52" in said


@pytest.mark.parametrize("event", [None, "error"])
def test_of_what_snakemake_is_told(event: str | None) -> None:
    guard_snakemake()
    guard_snakemake()
    record = logging.LogRecord("s", logging.ERROR, "f", 1, f"rule a: {CLIPBOARD}", None, None)
    assert DefaultFormatter().format(record) == f"rule a: {visible(CLIPBOARD)}"
