"""What a terminal would obey is shown and not obeyed, wherever it comes from."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from snakemake.logging import DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from byok8s import view
from byok8s.errors import InUse
from byok8s.locks.owner import LockOwner
from byok8s.run_objects.clean import Found
from byok8s.run_objects.leftovers import Run
from byok8s.shown import LINE_LENGTH, guard_snakemake, shortened, visible

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
    holder = LockOwner(1, f"h{TITLE}", f"ada{CLIPBOARD}", f"/f{CLEAR}", now, now)
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


def test_a_line_is_shortened_between_files() -> None:
    files = [f"results/sample-{number}/counts.tsv" for number in range(200)]
    text = f"rule gather:\n    input: {', '.join(files)}\n    output: a, b"
    _, line, other = shortened(text).split("\n")
    assert len(line) < LINE_LENGTH + 30
    assert other == "    output: a, b"
    shown, _, more = line.partition(", ... and ")
    assert shown.removeprefix("    input: ").split(", ") == files[: 200 - int(more.removesuffix(" more"))]


def test_a_line_that_lists_nothing_is_shortened() -> None:
    assert shortened("x" * 5000) == "x" * LINE_LENGTH + " ... and 4000 more characters"


@pytest.mark.parametrize(
    ("event", "is_short"), [(LogEvent.SHELLCMD, True), (LogEvent.ERROR, False), (None, False)]
)
def test_what_snakemake_says_of_a_job_is_shortened(event: LogEvent | None, *, is_short: bool) -> None:
    guard_snakemake()
    record = logging.LogRecord("s", logging.INFO, "f", 1, "cat " + "in.txt " * 1000, None, None)
    record.event = event
    assert (len(DefaultFormatter().format(record)) < LINE_LENGTH + 50) == is_short


def test_of_a_failed_job_few_files_are_named() -> None:
    guard_snakemake()
    files = [f"in-{number}.txt" for number in range(30)]
    job = {"rule_name": "gather", "jobid": 3, "input": files, "output": ["a", "b"], "log": files}
    facts = {
        "rule_msg": "Failed",
        "conda_env": None,
        "shellcmd": None,
        "aux": {},
        "event": LogEvent.JOB_ERROR,
    }
    record = logging.makeLogRecord({"msg": "Error", **job, **facts})
    said = DefaultFormatter().format(record).splitlines()
    assert "    input: in-0.txt, in-1.txt, in-2.txt, in-3.txt, in-4.txt, in-5.txt, ... and 24 more" in said
    assert "    output: a, b" in said
    assert record.__dict__["input"] == files  # for whoever else is told
    group = {"event": LogEvent.GROUP_ERROR, "aux_logs": [], "job_error_info": [job | {"output": files}]}
    said = DefaultFormatter().format(logging.makeLogRecord({"msg": "Error in group", **group})).splitlines()
    assert [line for line in said if "... and 24 more" in line and "output: " in line]
