"""What a container leaves in its termination message."""

import json
from pathlib import Path

import pytest

from byok8s.worker import termination
from byok8s.worker.description import Left, Stored
from byok8s.worker.protocol import Result, result


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(termination, "TERMINATION_LOG", tmp_path / "log")
    return tmp_path / "log"


def test_a_result_and_jobs_that_nobody_has_fetched(left: Path) -> None:
    termination.leave(Result(143, "its pod was told to end", "one\ntwo", "pod-deleted"), ["a", "b-1"])
    assert json.loads(left.read_text()) == {
        "why": "its pod was told to end",
        "cause": "pod-deleted",
        "last_lines": "one\ntwo",
        "succeeded": ["a", "b-1"],
        "stored": [],
    }


def test_what_a_job_has_left_is_told_by_its_first_file(left: Path) -> None:
    termination.leave(Result(0, left=(Left("index", ("genome.fa.amb", "genome.fa.ann"), 5),)))
    told = result({**json.loads(left.read_text()), "code": 0})
    assert told
    assert told.left == (Left("index", ("genome.fa.amb",), 5),)


def test_what_many_rules_have_left_fits(left: Path) -> None:
    lost = tuple(Left(f"rule{number}", ("x" * 200,), 1) for number in range(100))
    termination.leave(Result(0, left=lost))
    assert len(left.read_bytes()) <= 4096
    assert json.loads(left.read_text())["left"][0]["rule"] == "rule0"


def test_what_was_stored_is_told_whole_or_not_at_all(left: Path) -> None:
    few = tuple(Stored("b", f"k{number}", 1, 2) for number in range(3))
    termination.leave(Result(0, stored=few))
    assert [row["key"] for row in json.loads(left.read_text())["stored"]] == ["k0", "k1", "k2"]
    termination.leave(Result(0, stored=few * 100))
    assert json.loads(left.read_text())["stored"] == []


def test_the_newest_lines_that_fit(left: Path) -> None:
    termination.leave(Result(1, last_lines="\n".join(f"{number:0500}" for number in range(30))))
    assert len(left.read_bytes()) <= 4096
    lines = json.loads(left.read_text())["last_lines"].splitlines()
    assert [int(line) for line in lines] == list(range(22, 30))


def test_older_lines_make_room_for_what_was_stored(left: Path) -> None:
    stored = tuple(Stored("b", f"k{number}", 1, 2) for number in range(10))
    termination.leave(
        Result(1, last_lines="\n".join(f"{number:0100}" for number in range(30)), stored=stored)
    )
    told = json.loads(left.read_text())
    assert len(told["stored"]) == 10
    assert 10 <= len(told["last_lines"].splitlines()) < 30
