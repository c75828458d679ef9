"""What a container leaves in its termination message."""

import json
from pathlib import Path

import pytest

from byok8s.worker import last_word
from byok8s.worker.description import Stored
from byok8s.worker.protocol import Result


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(last_word, "TERMINATION_LOG", tmp_path / "log")
    return tmp_path / "log"


def test_a_result_and_jobs_that_nobody_has_fetched(left: Path) -> None:
    last_word.leave(Result(143, "its pod was told to end", "one\ntwo", "pod-deleted"), ["a", "b-1"])
    assert json.loads(left.read_text()) == {
        "why": "its pod was told to end",
        "cause": "pod-deleted",
        "last_lines": "one\ntwo",
        "succeeded": ["a", "b-1"],
        "stored": [],
    }


def test_what_was_stored_is_told_whole_or_not_at_all(left: Path) -> None:
    few = tuple(Stored("b", f"k{number}", 1, 2) for number in range(3))
    last_word.leave(Result(0, stored=few))
    assert [row["key"] for row in json.loads(left.read_text())["stored"]] == ["k0", "k1", "k2"]
    last_word.leave(Result(0, stored=few * 100))
    assert json.loads(left.read_text())["stored"] == []


def test_the_newest_lines_that_fit(left: Path) -> None:
    last_word.leave(Result(1, last_lines="\n".join(f"{number:0500}" for number in range(30))))
    assert len(left.read_bytes()) <= 4096
    lines = json.loads(left.read_text())["last_lines"].splitlines()
    assert [int(line) for line in lines] == list(range(22, 30))
