"""The file of a run's events."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from byok8s.history.event import line, parsed
from byok8s.history.writer import History, history


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "r" / "events.jsonl"


def names(path: Path) -> list[object]:
    return [event["event"] for event in parsed(path.read_bytes())]


def test_a_line_an_event_as_soon_as_it_is_noted(path: Path) -> None:
    events = history(path, pytest.fail)
    events.note("job.ended", {"id": "1", "why": "", "exit": None, "max_rss": 1.5})
    assert [set(json.loads(row)) for row in path.read_text().splitlines()] == [
        {"schema", "time", "event", "id", "max_rss"}
    ]
    assert history(path, pytest.fail) is events
    events.close()
    assert history(path, pytest.fail) is not events


def test_no_event_is_earlier_than_the_one_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock does, and also if another controller goes on."""
    for second in (3, 2, 4):
        monkeypatch.setattr("time.time_ns", lambda now=second: now * 1_000_000_000)
        events = History(path, pytest.fail)
        events.note("a", {})
        events.close()
    assert [str(event["time"])[17:] for event in parsed(path.read_bytes())] == [
        "03.000Z",
        "03.000Z",
        "04.000Z",
    ]


def test_what_is_added_to_a_line_that_was_cut_off_is_a_line(path: Path) -> None:
    first = History(path, pytest.fail)
    first.note("a", {})
    first.note("b", {})
    first.close()
    path.write_bytes(path.read_bytes()[:-20])
    assert names(path) == ["a"]
    second = History(path, pytest.fail)
    second.note("c", {})
    assert names(path) == ["a", "c"]


def test_threads_do_not_mix_their_lines(path: Path) -> None:
    events = History(path, pytest.fail)

    def write(number: int) -> None:
        for _ in range(200):
            events.note(f"from-{number}", {"why": "x" * 500})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list(parsed(path.read_bytes()))
    assert len(found) == 800
    assert [event["time"] for event in found] == sorted(str(event["time"]) for event in found)


def test_a_disk_that_takes_nothing_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").touch()
    told: list[str] = []
    events = History(tmp_path / "in-the-way" / "events.jsonl", told.append)
    events.note("a", {})
    events.note("b", {})
    assert len(told) == 1
    assert "is not complete" in told[0]


@pytest.mark.parametrize("line", [b"", b"[1]", b'{"schema": "byok8s.events/2"}', b"\xff\xfe", b"{"])
def test_what_is_no_event_is_passed_over(line: bytes) -> None:
    assert list(parsed(line + b"\n")) == []


def test_what_only_python_writes_is_read() -> None:
    """Half of a surrogate pair, as of a file's name that is no UTF-8, and a number that JSON has not."""
    row = line(0, "job.ended", {"why": "no \udcff.txt", "max_rss": float("inf")})
    assert [event["why"] for event in parsed(row + b'{"schema": "byok8s.ev\n' + b"\xff\n" + row)] == [
        "no \udcff.txt"
    ] * 2


def test_whoever_listens_hears_each_event_also_if_the_disk_is_full(tmp_path: Path) -> None:
    troubles: list[str] = []
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    events = History(tmp_path / "events.jsonl", troubles.append)
    heard: list[object] = []
    with events.heard(lambda event: heard.append((event["event"], event.get("id")))):
        events.note("job.given", {"id": "1"})
        events.note("job.ended", {"id": "1"})
    events.note("run.ended", {})
    assert heard == [("job.given", "1"), ("job.ended", "1")]
    assert len(troubles) == 1
