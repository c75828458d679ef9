"""How a run is, on one screen: fitted to any terminal, and drawn below what is said."""

from __future__ import annotations

import functools
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from byok8s.cli import byok8s
from byok8s.history import board
from byok8s.history.board import Row, bar, rows, time_left
from byok8s.history.choice import Choice
from byok8s.history.event import SCHEMA, Event
from byok8s.history.state import State, Try, folded
from byok8s.history.status import Rule
from byok8s.run.screen import Events
from terminal import Terminal

NOW = 60_000


def event(kind: str, at: int = 0, /, **facts: object) -> Event:
    return {"time": datetime.fromtimestamp(at, UTC).isoformat(), "schema": SCHEMA, "event": kind, **facts}


def job(rule: str, number: int, begin: int, end: int | None = None, state: str = "COMPLETE") -> list[Event]:
    id_ = f"{rule}{number}"
    asked = {"id": id_, "job": id_, "rule": rule, "name": f"{rule}-n={number}"}
    found = [event("job.given", begin, **asked), event("job.began", begin, id=id_, pod="w")]
    return found if end is None else [*found, event("job.ended", end, id=id_, state=state, why="exit code 3")]


def run(*more: Event, **planned: int) -> State:
    return folded([event("run.started"), event("run.planned", jobs=planned), *more])


def screen(state: State, width: int = 100, height: int = 30) -> list[str]:
    return [row.text for row in rows("r", state, NOW, alive=True, width=width, height=height)]


def test_what_is_at_work_stands_first_and_what_has_done_all_last() -> None:
    state = run(*job("a", 1, 0, 10), *job("c", 1, 10), a=1, b=2, c=4)
    said = screen(state)
    assert [line.split()[0] for line in said if re.match(r"[abc] ", line)] == ["c", "b", "a"]
    assert said[0] == "r: running, 1 of 7 jobs done, 1 min 0 s"
    assert "Running:" in said
    assert "        50 s  c-n=1" in said


def test_the_last_line_of_a_running_job_is_there_and_no_more_are_asked_for_than_fit() -> None:
    state = run(*(each for n in range(100) for each in job("c", n, 10)), c=100)
    asked: list[str] = []

    def said(each: Try) -> str:
        asked.append(each.name)
        return "epoch 3"

    found = rows("r", state, NOW, alive=True, width=80, height=20, said=said)
    assert "        50 s  c-n=0  epoch 3" in [row.text for row in found]
    assert 0 < len(asked) < 20


def test_the_last_line_is_the_last_that_says_something(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    log = tmp_path / "logs" / "c-n=1.log"
    log.parent.mkdir()
    each = Try("1", name="c-n=1")
    assert events.said(each) == ""
    log.write_bytes(b"first\n" + b"x" * 100_000 + b"\n 10 %\r 20 %\r\n\n  \n")
    assert events.said(each) == "20 %"
    log.write_bytes(b"\n\n")
    assert events.said(each) == ""


def test_the_log_of_a_rule_counts_more_than_what_a_job_has_written(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    each = Try("1", name="c-n=1")
    assert events.log(each, 10) == []
    (tmp_path / "logs" / "c-n=1" / "logs").mkdir(parents=True)
    (tmp_path / "logs" / "c-n=1.log").write_text("".join(f"line {n}\n" for n in range(1000)))
    assert events.log(each, 3) == ["line 997", "line 998", "line 999"]
    (tmp_path / "logs" / "c-n=1" / "logs" / "c.txt").write_text("\n")
    assert events.log(each, 1) == ["line 999"]
    (tmp_path / "logs" / "c-n=1" / "logs" / "c.txt").write_text("its own\n")
    assert events.log(each, 3) == ["its own"]


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("height", [8, 24, 60])
def test_nothing_is_wider_or_higher_than_the_screen(width: int, height: int) -> None:
    jobs = [each for n in range(50) for each in job("long_name_" * 9, n, 0, 9, "EXECUTOR_ERROR")]
    jobs += [each for n in range(50) for each in job(f"rule{n}", n, 20)]
    pods = [
        event("worker.waits", pod=f"w{n}", cause="x", why=f"reason {n}", threads=1, mem_mb=n)
        for n in range(50)
    ]
    said = screen(run(*jobs, *pods, **{f"rule{n}": 3 for n in range(99)}), width, height)
    assert len(said) <= height
    assert max(map(len, said)) <= width
    if height > 8 and width > 20:
        assert {"Running:", "Workers:", "Failures:"} <= set(said)
        assert [line for line in said if line.startswith("  and ")]
    keys = [
        row.text
        for row in rows("r", run(*jobs), NOW, alive=True, width=width, height=height, choice=Choice())
    ]
    assert len(keys) <= height
    assert keys[-1] == Choice().help[:width]


def test_the_numbers_of_a_rule_with_a_long_name_are_all_there() -> None:
    state = run(*job("name_of_a_rule_that_is_very_long_indeed", 1, 0, 4000), other=100_000)
    for width in (70, 80, 100):
        (line,) = (text for text in screen(state, width) if text.startswith("name"))
        assert line.split()[-7:] == ["1/1", "-", "-", "-", "1", "h", "6", "min"][-7:]


def test_what_does_not_answer_stands_below_the_head() -> None:
    state = run(*job("a", 1, 0), event("api.away", 48, why="connection refused"), a=1)
    said = screen(state, height=12)
    assert said[1] == "The Kubernetes API has not answered for 12 s: connection refused. Jobs go on."
    assert len(said) <= 12


def test_a_failure_is_seen_at_once() -> None:
    found = rows("r", run(*job("a", 1, 0, 5, "EXECUTOR_ERROR"), a=1), NOW, alive=True, width=80, height=24)
    assert found[0].style == "bad"
    assert Row("  a-n=1: exit code 3", "bad") in found


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [((4, 0, 0), "░░░░"), ((4, 2, 1), "██▒░"), ((4, 4, 0), "████"), ((100, 1, 0), "▒░░░"), ((0, 0, 0), "")],
)
def test_a_bar(counts: tuple[int, int, int], drawn: str) -> None:
    total, done, running = counts
    assert bar(Rule("a", total, done, running, total - done - running, 0, None), 4) == drawn


def test_the_time_left_is_a_range_and_not_guessed() -> None:
    begun = Rule("a", 10, 4, 2, 4, 0, 15.0, fastest=10.0, slowest=30.0)
    assert time_left([begun]) == "30 s to 1 min 30 s left"
    assert time_left([begun, Rule("b", 1, 0, 0, 1, 0, None)]) == ""
    assert time_left([Rule("a", 4, 4, 0, 0, 0, 1.0, fastest=1.0, slowest=1.0)]) == ""


A_RUN = (
    *job("align", 1, 0, 5, "EXECUTOR_ERROR"),
    *job("align", 2, 10),
    *job("count", 1, 20),
    event("worker.started", 1, pod="w"),
)


def chosen(keys: str, state: State) -> Choice:
    return functools.reduce(lambda choice, key: choice.after(key, state), keys, Choice())


@pytest.mark.parametrize(
    ("keys", "shown", "hidden"),
    [
        ("", {"align-n=1", "align-n=2", "count-n=1", "Workers:"}, set()),
        ("f", {"align-n=1"}, {"align-n=2", "count", "Workers:"}),
        ("ffCOUNT", {"count-n=1"}, {"align", "Workers:"}),
        ("ffcounx\x7ft\r", {"count-n=1"}, {"align"}),
        ("ffn=2", {"align-n=2"}, {"align-n=1", "count"}),
        ("ffn=2\nf\x7f1", {"align-n=1", "count-n=1"}, {"align-n=2"}),
        ("ffalign\x1b", {"align-n=1", "align-n=2", "count-n=1", "Workers:"}, set()),
        ("f\x1b", {"align-n=1", "align-n=2", "count-n=1", "Workers:"}, set()),
        ("ffnone of them\n", {"Nothing is as chosen."}, {"align", "count"}),
    ],
)
def test_what_keys_choose_is_shown(keys: str, shown: set[str], hidden: set[str]) -> None:
    state = run(*A_RUN, align=2, count=1)
    found = rows("r", state, NOW, alive=True, width=100, height=30, choice=chosen(keys, state))
    said = "\n".join(row.text for row in found[:-1])
    assert [words for words in shown if words not in said] == []
    assert [words for words in hidden if words in said] == []
    assert found[0].text.startswith("r: running, 0 of 3 jobs done, 1 failed")  # whatever is chosen


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ("l", "align-n=1, failed: exit code 3"),  # what has failed first
        ("ll", "align-n=2"),
        ("lll", "count-n=1"),
        ("llll", "align-n=1, failed: exit code 3"),
        ("ffcount\nl", "count-n=1"),
        ("ffl\nl", "align-n=1, failed: exit code 3"),  # a letter while a name is typed
    ],
)
def test_the_log_that_keys_choose_is_shown(keys: str, name: str) -> None:
    state = run(*A_RUN, align=2, count=1)
    choice = chosen(keys, state)

    def log(each: Try, most: int) -> list[str]:
        return [f"{each.name} says {n}" for n in range(100)][-most:]

    found = rows("r", state, NOW, alive=True, width=100, height=24, choice=choice, log=log)
    said = [row.text for row in found]
    assert said[2] == f"Log of {name}"
    assert said[-3].endswith("says 99")
    assert len(said) == 24
    assert chosen(keys + "\x1b", state).log == ""


def test_there_is_no_log_of_a_run_without_jobs() -> None:
    state = run(align=2)
    assert chosen("l", state) == Choice()


def test_shares_of_a_screen() -> None:
    assert board._shares(10, [3, 20, 20]) == [3, 4, 3]
    assert board._shares(100, [3, 20]) == [3, 20]
    assert board._shares(0, [3]) == [0]


DRAWS = """
import sys, time
from pathlib import Path
from byok8s.run import live
from byok8s.history.event import line
path = Path("events")
with path.open("ab") as file, live.shown("r", path):
    said = sys.stderr  # as a logger that is set up before the first job
    for n, (name, facts) in enumerate([
        ("run.started", {}), ("run.planned", {"jobs": {"a": 1}}),
        ("job.given", {"id": "a1", "job": "a1", "rule": "a", "name": "a\\x1b[31m-1"}),
        ("job.began", {"id": "a1", "pod": "w"}),
    ]):
        file.write(line(1000 * n, name, facts)); file.flush()
    while not Path("drawn").exists():
        time.sleep(0.05)
    print("a message", file=sys.stderr)
    print("another", file=said)
    print("to standard output")
    file.write(line(9000, "job.ended", {"id": "a1", "state": "COMPLETE"})); file.flush()
    file.write(line(9000, "run.ended", {"state": "COMPLETE"})); file.flush()
print("after")
"""


def test_it_is_drawn_below_what_is_said(tmp_path: Path) -> None:
    terminal = Terminal(24, 80)
    process = terminal.start(tmp_path, [sys.executable, "-c", DRAWS])
    terminal.until("a\\x1b[31m-1")  # foreign text is shown, and not obeyed
    (tmp_path / "drawn").touch()
    assert terminal.end(process) == 0
    lines = terminal.lines
    for words in ("a message", "another", "to standard output", "after"):
        assert words in lines, terminal.said
    assert "r: complete, 1 of 1 jobs done, 9.0 s" in lines
    assert lines.index("after") > lines.index("r: complete, 1 of 1 jobs done, 9.0 s")


def test_watching_wants_a_terminal() -> None:
    done = CliRunner().invoke(byok8s, ["status", "--watch"])
    assert done.exit_code == 2
    assert "--watch draws in a terminal" in done.output
