"""Keys change what a view shows, and leave it while the run goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from byok8s.history.event import line

LEAVES = """
import sys, time
from pathlib import Path
from byok8s.history.event import line
from byok8s.run.live import shown

path = Path("events.jsonl")
with path.open("wb") as file, shown("r", path) as drawing:
    file.write(line(0, "run.started", {}) + line(0, "run.planned", {"jobs": {"a": 1}}))
    file.write(line(0, "job.given", {"id": "1", "job": "1", "rule": "a", "name": "a-1"})); file.flush()
    while drawing.is_on:
        time.sleep(0.05)
    print("left", file=sys.stderr)
    time.sleep(1.5)
print("after")
"""


@pytest.fixture
def terminal() -> tuple[int, int]:
    return pty.openpty()


def started(terminal: tuple[int, int], folder: Path, command: list[str]) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, whose terminal this is."""
    _, theirs = terminal
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    lead = f"import os, fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp({command[0]!r}, {command!r})"
    return subprocess.Popen(
        [sys.executable, "-c", lead],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )


def until(ours: int, words: str) -> str:
    said, end = "", time.monotonic() + 30
    while words not in said:
        assert select.select([ours], [], [], max(0.0, end - time.monotonic()))[0], said
        said += os.read(ours, 65536).decode()
    return said


def test_q_leaves_the_view_and_the_terminal_is_as_it_was(terminal: tuple[int, int], tmp_path: Path) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    process = started(terminal, tmp_path, [sys.executable, "-c", LEAVES])
    until(ours, "r: running")
    os.write(ours, b"xq")
    said = until(ours, "after")
    assert process.wait(30) == 0
    assert termios.tcgetattr(theirs) == before
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r", "\n").split("\n")
    assert "byok8s: The view is closed, the run goes on. `byok8s status` shows how it is." in lines
    assert lines.index("left") > max(n for n, each in enumerate(lines) if each.startswith("r: running"))


VIEWS = """
import time
from pathlib import Path
from byok8s.run.live import shown

with shown("r", Path(".byok8s/runs/r/events.jsonl")) as drawing:
    while drawing.is_on:
        time.sleep(0.05)
"""


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a run of two jobs, at which somebody is at work."""
    record = tmp_path / ".byok8s" / "runs" / "r"
    (record / "logs").mkdir(parents=True)
    rows = []
    for rule in ("align", "count"):
        rows.append(line(0, "job.given", {"id": rule, "job": rule, "rule": rule, "name": f"{rule}-n=1"}))
        rows.append(line(0, "job.began", {"id": rule, "pod": "w"}))
        (record / "logs" / f"{rule}-n=1.log").write_text(f"{rule} says this\n{rule} says that\n")
    rows.append(line(0, "job.ended", {"id": "count", "state": "EXECUTOR_ERROR", "why": "exit code 3"}))
    (record / "events.jsonl").write_bytes(b"".join(rows))
    with (record / "at-work").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield tmp_path


@pytest.mark.parametrize(
    ("command", "end"), [(["-c", VIEWS], "The view is closed"), (["-m", "byok8s", "status", "--watch"], "")]
)
def test_keys_choose_what_is_shown(
    terminal: tuple[int, int], at_work: Path, command: list[str], end: str
) -> None:
    ours, _ = terminal
    process = started(terminal, at_work, [sys.executable, *command])

    def after(keys: bytes, words: str) -> str:
        """Return the screen that has these words once keys are pressed."""
        os.write(ours, keys)
        return until(ours, words).rpartition("r: state not known")[2]

    assert "align-n=1" in after(b"", "f: failed jobs alone")
    assert "align" not in after(b"f", "Failed jobs alone.")
    assert "count" not in after(b"f\x1b[Ali", "Show only: li_")  # an arrow is no text, and an l no log
    assert "align says this" in after(b"\nl", "l: the next log")
    assert "count-n=1: exit code 3" in after(b"\x1b", "Only li.") + after(b"\x1b", "f: failed jobs alone")
    assert "count says that" in after(b"l", "l: the next log")
    os.write(ours, b"q")
    until(ours, end)
    assert process.wait(30) == 0


def test_a_view_in_the_background_reads_no_keys(terminal: tuple[int, int], tmp_path: Path) -> None:
    """A shell's background job that reads from the terminal would be stopped, and the run with it."""
    ours, _ = terminal
    script = LEAVES.replace("while drawing.is_on:", "for _ in range(40):")
    (tmp_path / "view.py").write_text(script)
    shell = f"set -m; {sys.executable} view.py & sleep 1; wait $!; echo ended $?"
    process = started(terminal, tmp_path, ["bash", "-c", shell])
    until(ours, "r: running")
    os.write(ours, b"q\n")
    until(ours, "ended 0")
    assert process.wait(30) == 0
