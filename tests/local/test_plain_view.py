"""The view of a run of plain Snakemake, whose jobs write to the same terminal (`--logger-byok8s-view`)."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from folders import clean_environment, run_in, write_files
from happened import events_of
from terminal import Terminal

VIEW = ["--logger", "byok8s", "--logger-byok8s-view"]
SNAKEFILE = r"""
rule all:
    input: "noise.txt", "bad.txt", "run.txt", "size.txt"
rule noise:
    output: "noise.txt"
    priority: 2
    shell:
        "printf 'half a '; sleep 1; echo line; head -c 3000 /dev/urandom; echo; "
        "printf '\\033[2J\\033[31mred\\033[0m\\n'; for i in 1 2 3; do printf \"\\r$i of 3\"; done; echo; "
        "echo to stderr >&2; sleep 1; printf 'no end'; touch {output}"
rule bad:
    output: "bad.txt"
    shell: "echo no such column >&2; exit 3"
rule run:
    output: "run.txt"
    run:
        print("from a run block")
        open(output[0], "w").write("x")
rule size:
    output: "size.txt"
    priority: 1
    shell: "{PYTHON} -c 'import os; print(*os.get_terminal_size(1), os.isatty(2))'; touch {output}"
""".replace("{PYTHON}", sys.executable)
WAITS = r"""
rule a:
    output: "a.txt"
    shell: "echo before; printf 'no end'; {MORE} sleep 60; touch {output}"
"""


def snakemake(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]


def test_a_run_is_drawn_below_what_its_jobs_write(tmp_path: Path) -> None:
    write_files(tmp_path, {"Snakefile": SNAKEFILE})
    terminal = Terminal(24, 80)
    process = terminal.start(tmp_path, snakemake(*VIEW, "--keep-going"), clean_environment())
    assert terminal.end(process) == 1
    assert terminal.is_as_before()
    lines, (log,) = terminal.lines, (tmp_path / ".snakemake/log").iterdir()
    for words in ("half a line", "red", "3 of 3", "to stderr", "from a run block", "no such column"):
        assert words in lines, terminal.said
    assert any("no end" in line for line in lines)
    assert any(line.endswith("80 24 True") for line in lines)
    assert "\x1b[2J" not in terminal.said
    assert re.search(r"running, \d of 5 jobs done", terminal.said)
    said = list(filter(None, lines))
    assert any(re.search(": failed, 3 of 5 jobs done, 1 failed, ", line) for line in said[-15:]), (
        terminal.said
    )
    assert "Error in rule bad:" in lines
    for announced in ("Select jobs to execute...", "Job stats:", "localrule all:", "rule noise:"):
        assert announced not in terminal.said
    assert "rule noise:" in log.read_text()


def test_what_goes_elsewhere_stays_as_it_is(tmp_path: Path) -> None:
    """Standard output in a file gets all that jobs write there, byte by byte, and nothing else."""
    job = r"printf 'a\r\033[2Jb\377\n'; until [ -e go ]; do sleep 0.1; done; echo to the terminal >&2; touch {output}"
    write_files(tmp_path, {"Snakefile": f'rule a:\n    output: "a.txt"\n    shell: r"{job}"\n'})
    terminal, said = Terminal(), tmp_path / "said"
    with said.open("wb") as file:
        process = terminal.start(tmp_path, snakemake(*VIEW), clean_environment(), stdout=file.fileno())
    terminal.until(": running")
    (tmp_path / "go").touch()
    assert terminal.end(process) == 0
    assert said.read_bytes() == b"a\r\x1b[2Jb\xff\n"
    assert "to the terminal" in terminal.lines
    assert any("complete, 1 of 1 jobs done" in line for line in terminal.lines)


def test_without_a_terminal_a_run_looks_as_ever(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"Snakefile": "rule a:\n    output: 'a.txt'\n    shell: 'printf x; touch {output}'\n"}
    )
    said = run_in(tmp_path, snakemake(*VIEW), clean_environment(), 0)
    assert "rule a:" in said
    assert "jobs done" not in said
    assert events_of(tmp_path)[-1]["state"] == "COMPLETE"


def test_nothing_to_do_is_nothing_to_draw(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"Snakefile": "rule a:\n    output: 'a.txt'\n    shell: 'touch {output}'\n", "a.txt": ""}
    )
    terminal = Terminal()
    assert terminal.end(terminal.start(tmp_path, snakemake(*VIEW), clean_environment())) == 0
    assert any(line.startswith("Nothing to be done") for line in terminal.lines)
    assert "\x1b[?25l" not in terminal.said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_the_terminal_as_it_was(tmp_path: Path, number: int) -> None:
    write_files(tmp_path, {"Snakefile": WAITS.replace("{MORE}", "")})
    terminal = Terminal()
    process = terminal.start(tmp_path, snakemake(*VIEW), clean_environment())
    terminal.until(": running, 0 of 1")
    assert not terminal.is_as_before()
    if number == signal.SIGINT:
        terminal.press(b"\x03")
    else:
        os.kill(process.pid, number)
        os.killpg(process.pid, signal.SIGINT)  # Snakemake waits for its jobs, else
    assert terminal.end(process) != 0
    assert terminal.is_as_before()
    assert "before" in terminal.lines
    assert any(line.startswith("no end") for line in terminal.lines)


def test_what_outlives_the_run_is_not_waited_for(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"Snakefile": WAITS.replace("{MORE}", "setsid sleep 300 & echo $! > {output}; exit 0;")}
    )
    terminal = Terminal()
    process = terminal.start(tmp_path, snakemake(*VIEW), clean_environment())
    assert terminal.end(process) == 0
    os.kill(int((tmp_path / "a.txt").read_text()), signal.SIGKILL)  # it is still there, and has the terminal
    assert terminal.is_as_before()


def test_q_leaves_the_view_and_snakemake_announces_again(tmp_path: Path) -> None:
    rules = """
rule all:
    input: "b.txt"
rule a:
    output: "a.txt"
    shell: "until [ -e left ]; do sleep 0.1; done; printf 'with\\\\033[1m bold\\\\n'; touch {output}"
rule b:
    input: "a.txt"
    output: "b.txt"
    shell: "touch {output}"
"""
    write_files(tmp_path, {"Snakefile": rules})
    terminal = Terminal()
    process = terminal.start(tmp_path, snakemake(*VIEW), clean_environment())
    terminal.until(": running, 0 of 3")
    terminal.press(b"q")
    terminal.until("The view is closed")
    (tmp_path / "left").touch()
    said = terminal.until("3 of 3 steps (100%) done")
    assert terminal.end(process) == 0
    assert "rule a:" not in terminal.said
    assert "rule b:" in said
    assert "with\x1b[1m bold" in said  # as without a view
    assert terminal.is_as_before()


def test_a_narrow_terminal_that_becomes_wider(tmp_path: Path) -> None:
    size = f"{sys.executable} -c 'import os; print(*os.get_terminal_size(2))'"
    job = f"while {size} | grep -q '^30 '; do sleep 0.2; done; {size}; sleep 2"
    rule = f'rule a_long_name_{"x" * 40}:\n    output: "a.txt"\n    shell: "{job}; touch {{output}}"\n'
    write_files(tmp_path, {"Snakefile": rule})
    terminal = Terminal(10, 30)
    process = terminal.start(tmp_path, snakemake(*VIEW), clean_environment() | {"NO_COLOR": "1"})
    drawn = terminal.until(": running")
    drawn += terminal.until("\x1b[1A")
    rows = drawn[drawn.index("\x1b[?25l") :].replace("\x1b[", "\r\x1b[").replace("\r", "\n").split("\n")
    assert all(len(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", row)) <= 30 for row in rows), drawn
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", drawn[drawn.index("\x1b[?25l") :])
    terminal.resize(40, 120)
    terminal.until("120 40")
    terminal.until("xxxxxxx ")
    assert terminal.end(process) == 0


FLOODS = """
import os, subprocess, sys
from byok8s.run.diverted import Diverted

def peak():
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])

diverted = Diverted()
diverted.begin()
before = peak()
subprocess.run([sys.executable, "-c", "for n in range(200_000): print(f'{n:07d}' + 92 * 'x')"], check=True)
subprocess.run(["head", "-c", "3000000", "/dev/zero"], check=True)
print("last")
diverted.end()
print("grown by", peak() - before)
"""


def test_much_is_shown_whole_and_kept_nowhere(tmp_path: Path) -> None:
    terminal = Terminal()
    process = terminal.start(tmp_path, [sys.executable, "-c", FLOODS])
    assert terminal.end(process) == 0
    said = terminal.said
    numbers = re.findall(r"(\d{7})x{92}\r", said)
    assert list(map(int, numbers)) == list(range(200_000))
    assert said.count("\\x00") == 3_000_000
    assert "last\r\n" in said
    # kB, of 20 MB, and of a line of 3 MB that is shown as 12 MB
    assert int(said.rpartition("grown by ")[2]) < 20_000


FAULTS = """
import contextlib, os, sys
from byok8s.run.diverted import Diverted

class Broken:
    def print(self, *what, **how):
        raise ValueError("cannot draw")

diverted = Diverted()
diverted.begin()
os.set_blocking(0, False)  # as a job may do, for all who have got the terminal from its shell
with diverted.above(Broken()):
    os.write(2, b"what is said\\n")
    os.write(1, 20_000 * b"again and again\\n" + b"last\\n")
    diverted.end()
os.write(2, b"after\\n")
"""


def test_a_view_that_fails_keeps_nothing_from_being_said(tmp_path: Path) -> None:
    terminal = Terminal()
    assert terminal.end(terminal.start(tmp_path, [sys.executable, "-c", FAULTS])) == 0
    lines = list(filter(None, terminal.lines))
    assert lines == ["what is said", *["again and again"] * 20_000, "last", "after"]


def test_a_run_that_is_over_at_once_is_shown_too(tmp_path: Path) -> None:
    write_files(tmp_path, {"Snakefile": "rule a:\n    output: 'a.txt'\n    shell: 'touch {output}'\n"})
    terminal = Terminal()
    assert terminal.end(terminal.start(tmp_path, snakemake(*VIEW), clean_environment())) == 0
    assert any(": complete, 1 of 1 jobs done" in line for line in terminal.lines[-12:]), terminal.said
    assert terminal.is_as_before()


PLUGIN = """
import sys
from snakemake_interface_logger_plugins.base import LogHandlerBase
class LogHandler(LogHandlerBase):
    writes_to_stream, writes_to_file, needs_rulegraph, has_filter, has_formatter = True, False, False, True, True
    def emit(self, record): sys.stderr.write("other: %s\\n" % getattr(record, "event", None)); sys.stderr.flush()
"""


def test_another_plugin_that_writes_to_the_terminal_has_it(tmp_path: Path) -> None:
    rule = "rule a:\n    output: 'a.txt'\n    shell: 'sleep 2; touch {output}'\n"
    write_files(tmp_path, {"Snakefile": rule, "plugins/snakemake_logger_plugin_other/__init__.py": PLUGIN})
    terminal = Terminal()
    environment = clean_environment() | {"PYTHONPATH": str(tmp_path / "plugins")}
    process = terminal.start(tmp_path, snakemake(*VIEW[:1], "byok8s", "other", VIEW[2]), environment)
    assert terminal.end(process) == 0
    assert "other: job_info" in terminal.lines
    assert "\x1b[?25l" not in terminal.said
    assert events_of(tmp_path)[-1]["state"] == "COMPLETE"


BREAKS_OFF = """
import sys, time
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, OutputSettings, ResourceSettings
from snakemake_logger_plugin_byok8s import LogHandlerSettings
settings = OutputSettings(log_handler_settings={"byok8s": LogHandlerSettings(view=True)})
api = SnakemakeApi(settings)
api.__enter__()
workflow = api.workflow(ResourceSettings(cores=1), snakefile=Path("Snakefile"))
workflow.dag(DAGSettings()).execute_workflow()
print("half", end="", flush=True)
raise SystemExit("broken off")
"""


def test_whoever_forgets_to_end_a_run_has_the_terminal_back_all_the_same(tmp_path: Path) -> None:
    rule = "rule a:\n    output: 'a.txt'\n    shell: 'echo said; sleep 2; touch {output}'\n"
    write_files(tmp_path, {"Snakefile": rule})
    terminal = Terminal()
    process = terminal.start(tmp_path, [sys.executable, "-c", BREAKS_OFF], clean_environment())
    assert terminal.end(process) == 1
    assert ": running, 0 of 1" in terminal.said
    assert terminal.is_as_before()
    assert any(line.startswith("half") for line in terminal.lines)
    assert any(line.endswith("broken off") for line in terminal.lines)
