"""The logs of a run's jobs, out of its record in this folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from byok8s import logs, run_record
from byok8s.cli import byok8s
from byok8s.errors import InputError
from byok8s.fleet.record import Record
from byok8s.locks.folder import folder_lock
from byok8s.locks.owner import RunLocation
from byok8s.pods.manifest import Shape, Task
from byok8s.pods.outcome import Outcome, State
from byok8s.settings import Settings

OLD, NEW = "20260101-000000-aaaa", "20260102-000000-bbbb"
FAILED, SUCCEEDED = Outcome(State.FAILED, "exit code 3"), Outcome(State.SUCCEEDED)


def task(number: int, rule: str, output: str = "", logs: Sequence[str] = ()) -> Task:
    return Task(
        f"{number:012x}", rule, Shape(1), title=f"{rule}-n={number}", outputs=(output,), logs=tuple(logs)
    )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Two runs; the newer one has a job that went well, one that failed and one under way."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BYOK8S_S3_BUCKET", raising=False)
    old = Record(OLD, pytest.fail)
    old.given(task(9, "sort"))
    old.add_output(task(9, "sort"), ["of the old run\n"])
    record = Record(NEW, pytest.fail)
    one, two, three = task(1, "sort", "s.txt"), task(2, "map", "m.txt", ["logs/m.log"]), task(3, "sort")
    for each in (one, two, three):
        record.given(each)
    record.add_output(one, ["first\n", "\x1b[31mred\x07\n"])
    record.ended(one, "p", SUCCEEDED)
    record.add_output(two, ["printed\n"])
    record.add_file(two, "logs/m.log", ["the reason\n"], first=True)
    record.ended(two, "p", FAILED)
    record.add_output(three, ["still at it\n"])
    return record


def says(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(byok8s, ["logs", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_without_a_word_the_jobs_are_listed(run: Record) -> None:
    assert says().splitlines() == [
        "succeeded  sort-n=1-000000000001",
        "failed     map-n=2-000000000002  exit code 3",
        "under way  sort-n=3-000000000003",
    ]


@pytest.mark.parametrize(
    "word",
    [
        "map",
        "map-n=2-000000000002",
        "000000000002",
        "m.txt",
        "logs/m.log",
        f".byok8s/runs/{NEW}/logs/map-n=2-000000000002.log",
        "--failed",
    ],
)
def test_a_job_by_any_of_its_names_its_own_log_last(word: str, run: Record) -> None:
    assert [row for row in says(word).splitlines() if not row.startswith("==")] == ["printed", "the reason"]


def test_a_rule_of_several_jobs_and_what_a_terminal_would_obey(run: Record) -> None:
    said = says("sort")
    assert "\\x1b[31mred\\x07" in said
    assert "\x1b" not in said
    assert "still at it" in said


def test_a_job_that_has_said_nothing_is_listed_and_said_to_have_no_log(run: Record) -> None:
    silent, here = task(4, "sort", "silent.txt"), task(5, "local", "local.txt")
    for each in (silent, here):
        run.given(each)
    run.ended(silent, "p", SUCCEEDED)
    run.succeeded_here(here)
    assert "succeeded  sort-n=4-000000000004" in says().splitlines()
    assert "local" not in says()
    assert says("silent.txt") == f"== sort-n=4-000000000004 succeeded: {logs.NO_LOG}\n"


def test_a_record_without_events_has_what_its_logs_are_called(run: Record) -> None:
    Path(".byok8s/runs", NEW, "events.jsonl").unlink()
    assert "under way  map-n=2-000000000002" in says(NEW)
    assert "the reason" in says(NEW, "map")


def test_another_run(run: Record) -> None:
    assert "of the old run" in says(OLD, "sort")
    assert "sort-n=9" in says(OLD)


def test_what_is_not_there(run: Record) -> None:
    assert "has no logs of 'nope'" in says("nope", code=2)
    assert "In run 20260101-000000-aaaa no job has failed." in says(OLD, "--failed")
    assert "One RULE, JOB or FILE" in says("a", "b", code=2)


def test_no_run_and_no_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BYOK8S_S3_BUCKET", raising=False)
    assert "No bucket is named" in says(code=2)


@pytest.mark.usefixtures("run")
def test_a_bucket_of_the_environment_does_not_hide_this_folders_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYOK8S_S3_BUCKET", "for-all-folders")
    assert len(says().splitlines()) == 3
    assert run_record.names_another_bucket(Settings(s3_bucket="another"))


def test_a_log_of_a_gigabyte_is_read_from_its_end(run: Record) -> None:
    log = next(Path(".byok8s/runs", NEW, "logs").glob("map*.log"))
    with log.open("r+b") as file:
        file.truncate(1_000_000_000)  # sparse
        file.seek(0, 2)
        file.write(b"cut\none\ntwo\n")
    rows = says("map", "-n", "2").splitlines()
    assert rows[0].endswith("(the last lines of 1000000012 bytes)")
    assert rows[1:3] == ["one", "two"]


def test_a_record_that_is_cut_off_in_a_line(run: Record) -> None:
    with Path(".byok8s/runs", NEW, "events.jsonl").open("a") as events:
        events.write(
            '{"schema":"byok8s.events/1","time":"2026-01-02T00:00:09.000Z","event":"job.given","id":"0000'
        )
    assert len(logs.chosen(run_record.record(None, Settings()), None, failed=False)) == 3


def test_following_tells_what_comes_and_ends_with_the_run(run: Record, tmp_path: Path) -> None:
    told: list[str] = []
    with folder_lock(run_record.LOCK, pytest.fail) as lock:
        lock.begin(NEW, RunLocation())
        follower = threading.Thread(
            target=lambda: logs.follow(run_record.record(None, Settings()), "sort", told.append, failed=False)
        )
        follower.start()
        _await(told, "still at it")
        run.add_output(task(3, "sort"), ["half a"])
        run.add_output(task(3, "sort"), [" line\n"])
        _await(told, "half a line")
        run.add_output(task(4, "sort"), ["a new job\n"])
        run.add_output(task(5, "map"), ["not asked for\n"])
        _await(told, "a new job")
    follower.join(10)
    assert not follower.is_alive()
    assert told.count("still at it") == 1
    assert "half a" not in told
    assert "not asked for" not in told


def _await(told: list[str], row: str) -> None:
    for _ in range(200):
        if row in told:
            return
        time.sleep(0.05)
    pytest.fail(f"{row!r} is not told: {told}")


def test_following_a_run_that_is_over_tells_all_and_ends(run: Record) -> None:
    told: list[str] = []
    logs.follow(run_record.record(None, Settings()), None, told.append, failed=True)
    assert [row for row in told if not row.startswith("==")] == ["printed", "the reason"]


def test_following_also_tells_a_last_line_without_an_end(run: Record) -> None:
    run.add_output(task(3, "sort"), ["whole\nwithout an end"])
    told: list[str] = []
    logs.follow(run_record.record(None, Settings()), "sort", told.append, failed=False)
    assert told[-2:] == ["whole", "without an end"]


def test_a_word_that_leads_elsewhere_is_no_run(run: Record) -> None:
    assert not run_record.is_run("..")
    assert not run_record.is_run("../other")
    with pytest.raises(InputError):
        logs.chosen(run_record.record(None, Settings()), "../../etc/passwd", failed=False)
