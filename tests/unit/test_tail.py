"""The end of a log, and what of it is not the tool's own."""

from pathlib import Path

import pytest

from byok8s.pods.log_excerpt import OUTPUT, excerpt
from byok8s.tail import last_lines, without_frame

TRACEBACK = """\
before
Traceback (most recent call last):
  File "/usr/lib/python3/site-packages/byok8s/worker/process.py", line 108, in _carry_out
    work.carry_out(order, folder)
    ~~~~~~~~~~~~~~^^^^^^^^^^^^^^^
  File "/byok8s/worker.pyz/byok8s/worker/runner.py", line 55, in carry_out
  File "/opt/site-packages/snakemake/script/__init__.py", line 1, in script
    more()
  File "/work/jobs/1/work/Snakefile", line 10, in __rule_b
    open("nope")
    ^^^^^^^^^^^^
FileNotFoundError: nope"""


def test_a_traceback_keeps_the_users_steps_alone() -> None:
    assert without_frame(TRACEBACK.splitlines()) == [
        "before",
        "Traceback (most recent call last):",
        '  File "/work/jobs/1/work/Snakefile", line 10, in __rule_b',
        '    open("nope")',
        "    ^^^^^^^^^^^^",
        "FileNotFoundError: nope",
    ]


def test_snakemakes_closing_lines_go() -> None:
    rows = [
        "the reason",
        "Error in rule a:",
        "    jobid: 0",
        "    log: x",
        "Exiting because a job execution failed. Look above for error messages",
        "Error in the third column",
    ]
    assert without_frame(rows) == ["the reason", "Error in the third column"]


def test_nothing_but_the_frame_stays() -> None:
    rows = ["Error in rule a:", "    jobid: 0"]
    assert without_frame(rows) == rows


def test_a_large_log_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(1_000_000_000)  # sparse
        file.seek(0, 2)
        file.write(b"cut\none\ntw\xff\n")
    assert last_lines(log)[-2:] == ["one", "tw\ufffd"]
    assert last_lines(log, most_bytes=10) == ["one", "tw\ufffd"]


@pytest.mark.parametrize(
    ("logs", "output", "expected"),
    [
        ({"a.log": "reason\n"}, "output\n", ("a.log", ["reason"])),
        ({"out": "one\n", "err": "two\n"}, "output\n", ("err", ["two"])),
        ({"out": "one\n", "err": " \n"}, "output\n", ("out", ["one"])),
        ({"a.log": ""}, "output\n", (OUTPUT, ["output"])),
        ({}, "", None),
    ],
)
def test_the_rules_own_log_comes_first(
    logs: dict[str, str], output: str, expected: tuple[str, list[str]] | None, tmp_path: Path
) -> None:
    paths = {name: tmp_path / name for name in logs}
    for name, content in logs.items():
        paths[name].write_text(content)
    (tmp_path / "output").write_text(output)
    found = excerpt({**paths, "never-written": tmp_path / "nothing"}, tmp_path / "output")
    assert (found and (found.of, list(found.lines))) == expected
