"""Keys change what a view shows, and leave it while the run goes on."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from byok8s.history.event import line
from terminal import Terminal

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
def terminal() -> Terminal:
    return Terminal()


def test_q_leaves_the_view_and_the_terminal_is_as_it_was(terminal: Terminal, tmp_path: Path) -> None:
    process = terminal.start(tmp_path, [sys.executable, "-c", LEAVES])
    terminal.until("r: running")
    terminal.press(b"xq")
    assert terminal.end(process) == 0
    assert terminal.is_as_before()
    lines = terminal.lines
    assert {"left", "after"} <= {*lines}
    closed = "byok8s: The view is closed, the run goes on. `byok8s status` shows how it is."
    assert lines.index(closed) > max(n for n, each in enumerate(lines) if each.startswith("r: running"))


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
def test_keys_choose_what_is_shown(terminal: Terminal, at_work: Path, command: list[str], end: str) -> None:
    process = terminal.start(at_work, [sys.executable, *command])

    def after(keys: bytes, words: str) -> str:
        """Return the screen that has these words once keys are pressed."""
        terminal.press(keys)
        return terminal.until(words).rpartition("r: state not known")[2]

    assert "align-n=1" in after(b"", "f: failed jobs alone")
    assert "align" not in after(b"f", "Failed jobs alone.")
    assert "count" not in after(b"f\x1b[Ali", "Show only: li_")  # an arrow is no text, and an l no log
    assert "align says this" in after(b"\nl", "l: the next log")
    assert "count-n=1: exit code 3" in after(b"\x1b", "Only li.") + after(b"\x1b", "f: failed jobs alone")
    assert "count says that" in after(b"l", "l: the next log")
    terminal.press(b"q")
    terminal.until(end)
    assert terminal.end(process) == 0


def test_a_view_in_the_background_reads_no_keys(terminal: Terminal, tmp_path: Path) -> None:
    """A shell's background job that reads from the terminal would be stopped, and the run with it."""
    script = LEAVES.replace("while drawing.is_on:", "for _ in range(40):")
    (tmp_path / "view.py").write_text(script)
    shell = f"set -m; {sys.executable} view.py & sleep 1; wait $!; echo ended $?"
    process = terminal.start(tmp_path, ["bash", "-c", shell])
    terminal.until("r: running")
    terminal.press(b"q\n")
    terminal.until("ended 0")
    assert terminal.end(process) == 0
