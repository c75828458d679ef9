"""The lines that a run leaves of its jobs."""

from pathlib import Path

import pytest

from byok8s.fleet.record import Record
from byok8s.history.event import parsed
from byok8s.pods.cause import Cause
from byok8s.pods.manifest import PodPlan, Shape, Task
from byok8s.pods.outcome import Outcome, State
from byok8s.worker.description import Left
from byok8s.worker.measured import Measured
from happened import events_of, of_kind


def test_how_each_job_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = Record("run-1", pytest.fail)
    first, second = (Task(number, "sort", Shape(1)) for number in "12")
    for task in (first, second):
        record.given(task)
    record.began(first, "pod-1")
    record.ended(first, "pod-1", Outcome(State.FAILED, "exit code 3", node="n1"))
    record.ended(second, "", Outcome(State.FAILED, "the cluster does not take its pod"))
    events = events_of(tmp_path)
    one, two = of_kind(events, "job.ended")
    assert (one["id"], one["pod"], one["node"]) == ("1", "pod-1", "n1")
    assert (one["state"], one["why"]) == ("EXECUTOR_ERROR", "exit code 3")
    assert two["why"] == "the cluster does not take its pod"
    assert [event["id"] for event in of_kind(events, "job.began")] == ["1"]


def test_a_job_began_once_however_often_its_pod_is_seen_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record, task = Record("run-1", pytest.fail), Task("1", "sort", Shape(1))
    record.given(task)
    assert record.began(task, "pod")
    assert not record.began(task, "pod")
    record.ended(task, "pod", Outcome(State.SUCCEEDED))
    assert not record.began(task, "pod")
    kinds = [event["event"] for event in events_of(tmp_path)]
    assert kinds == ["job.given", "job.began", "job.ended"]


def test_a_job_that_says_nothing_has_a_log_if_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = Record("run-1", pytest.fail)
    tasks = {outcome: Task(outcome.value, "sort", Shape(1)) for outcome in (State.SUCCEEDED, State.FAILED)}
    for outcome, task in tasks.items():
        record.ended(task, "pod", Outcome(outcome))
    assert [record.log(task).exists() for task in tasks.values()] == [False, True]


def test_what_a_job_makes_and_what_it_has_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record, task = (
        Record("run-1", pytest.fail),
        Task("1", "sort", Shape(1), outputs=("a.txt", "b \udcff.txt")),
    )
    record.given(task)
    record.ended(task, "pod", Outcome(State.SUCCEEDED, left=(Left("sort", ("a.idx",), 3),)))
    given, ended = events_of(tmp_path)
    assert given["outputs"] == ["a.txt", "b \udcff.txt"]
    assert ended["left"] == [{"rule": "sort", "paths": ["a.idx"], "count": 3}]


def test_a_rules_name_may_hold_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record, task = Record("run-1", pytest.fail), Task("1", "module/sort", Shape(1))
    record.add_output(task, "one\n")
    record.add_output(task, "two\n")
    assert record.log(task).read_text() == "one\ntwo\n"
    assert record.log(task).name == "module_sort-1.log"


def test_a_disk_that_takes_nothing_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".byok8s").write_text("in the way of the folder")
    told: list[str] = []
    record, task = Record("run-1", told.append), Task("1", "sort", Shape(1))
    record.add_output(task, ["one\n"])
    record.ended(task, "pod", Outcome(State.SUCCEEDED))
    assert len(told) == 1
    assert "is not complete" in told[0]


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("logs/a/run.log", "logs/a/run.log"),
        ("run.log", "run.log"),
        ("/etc/passwd", "etc/passwd"),
        ("../../../outside", "outside"),
        ("a/./b/../c.log", "a/b/c.log"),
        ("a\0b/c\x1b[2J.log", "a_b/c_[2J.log"),
        ("..", "_"),
        ("", "_"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_rules_log_files_are_kept_by_their_paths_and_nowhere_else(
    path: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path comes from a pod, and may be anything."""
    monkeypatch.chdir(tmp_path)
    record, task = Record("run-1", pytest.fail), Task("1", "sort", Shape(1), title="sort")
    record.add_file(task, "logs/b/run.log", ["of b"], first=True)
    record.add_file(task, path, ["first, "], first=True)
    record.add_file(task, path, ["second"], first=False)
    folder = Path(".byok8s/runs/run-1/logs/sort-1")
    assert (folder / kept).read_text() == "first, second"
    assert (folder / "logs/b/run.log").read_text() == "of b"
    found = {file for file in tmp_path.rglob("*") if file.is_file()}
    assert found == {(folder / kept).absolute(), (folder / "logs/b/run.log").absolute()}


def test_a_phase_is_noted_once_whether_it_is_told_on_the_way_or_with_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record, task = Record("run-1", pytest.fail), Task("1", "sort", Shape(1))
    record.given(task)
    record.began(task, "pod")
    record.phase(task, "fetch", 1.5)
    record.phase(task, "fetch", 1.5)
    record.phase(task, "flight", 1.5)
    measured = Measured(
        fetch=1.5,
        run=2.0,
        max_rss=8.0,
        io_in=0.0,
        io_out=2.5,
        fetched_bytes=7,
        cached_bytes=0,
        stored_bytes=3,
    )
    record.ended(task, "pod", Outcome(State.SUCCEEDED, exit=0, measured=measured))
    record.phase(task, "store", 1.0)  # too late
    noted = events_of(tmp_path)
    assert [event["event"] for event in noted] == [
        *("job.given", "job.began", "job.fetched", "job.ran", "job.ended")
    ]
    assert [noted[-1][name] for name in ("max_rss", "io_in", "io_out")] == [8.0, 0.0, 2.5]
    assert (noted[-1]["fetched_bytes"], noted[-1]["cached_bytes"], noted[-1]["stored_bytes"]) == (7, 0, 3)
    assert record.events.totals == {"fetched_bytes": 7, "cached_bytes": 0, "stored_bytes": 3}


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        (None, "EXECUTOR_ERROR"),
        (Cause.EXIT_CODE, "EXECUTOR_ERROR"),
        (Cause.EVICTED, "SYSTEM_ERROR"),
        (Cause.QUOTA, "SYSTEM_ERROR"),
    ],
)
def test_whose_failure_it_is(
    cause: Cause | None, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record, task = Record("run-1", pytest.fail), Task("1", "sort", Shape(1))
    record.given(task)
    record.ended(task, "", Outcome(State.FAILED, "why", cause=cause))
    assert record.events.urgent.is_set()
    assert events_of(tmp_path)[-1]["state"] == state


def test_what_a_job_comes_after_is_noted_the_last_first_and_not_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = Record("run-1", pytest.fail)
    before = [Task(f"{number:012}", "sort", Shape(1)) for number in range(30)]
    for task in before:
        record.given(task)
    for task in (*before[10:], *before[:10]):
        record.succeeded_here(task)
    record.given(Task("last", "all", Shape(1), after=(*(task.job for task in before), "of-an-earlier-run")))
    record.given(Task("first", "sort", Shape(1)))
    *_, last, first = (event["after"] for event in events_of(tmp_path) if event["event"] == "job.given")
    assert last == [f"{number:012}" for number in (*range(9, -1, -1), *range(29, 19, -1))]
    assert first == []


def test_an_outage_of_s3_is_noted_once_for_each_that_asks_and_ends_with_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = Record("run-1", pytest.fail)
    for why in ("no connection", "HTTP status 503", "", ""):
        record.outage(why)
    for number, state in (("1", State.SUCCEEDED), ("2", State.FAILED), ("3", State.SUCCEEDED)):
        task, pod = Task(number, "sort", Shape(1)), f"pod-{number}"
        record.given(task)
        record.outage("no connection", pod if number != "3" else "")
        record.ended(task, pod, Outcome(state))
    record.outage("", "pod-2")
    noted = [
        (event["event"], event.get("pod")) for event in events_of(tmp_path) if "s3." in str(event["event"])
    ]
    first = [("s3.away", None), ("s3.back", None)]
    assert noted == [
        *first,
        ("s3.away", "pod-1"),
        ("s3.back", "pod-1"),
        ("s3.away", "pod-2"),
        ("s3.away", None),
    ]


@pytest.mark.parametrize(
    ("seen", "noted"),
    [
        ([Outcome(State.SUCCEEDED, node="n", exit=0)], ["created", "scheduled", "started", "gone"]),
        (
            [Outcome(State.RUNNING, node="n"), Outcome(State.FAILED, "over", node="n", exit=1)],
            ["created", "scheduled", "started", "gone"],
        ),
        ([Outcome(State.FAILED, "its image is not there", node="n")], ["created", "gone"]),
    ],
)
def test_what_a_pod_was_in_between_is_noted_if_it_was_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[Outcome], noted: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    record = Record("run-1", pytest.fail)
    record.asked(PodPlan("pod", {}, Shape(1), ()))
    for found in seen:
        record.pod("pod", found)
    events = [*parsed(record.events.path.read_bytes())]
    assert [event["event"] for event in events] == [f"worker.{name}" for name in noted]
    assert {event.get("node") for event in events[1:]} == {"n"}
    record.pod("of-another-controller", Outcome(State.SUCCEEDED, node="n", exit=0))
    assert [event["event"] for event in parsed(record.events.path.read_bytes())][len(noted) :] == [
        "worker.gone"
    ]
