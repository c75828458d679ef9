"""Runs of plain Snakemake that keep a record by `--logger byok8s`, and what byok8s' commands make of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from byok8s.history.event import milliseconds
from folders import clean_environment, run_in, write_files
from happened import events_of, of_kind

SNAKEFILE = """
rule all:
    input: "agg.txt", "block.txt", "again.txt"
checkpoint split:
    output: "parts.txt"
    shell: "echo a b > {output}"
rule part:
    output: "part-{n}.txt"
    log: "logs/{n}.log"
    group: "parts"
    threads: 2
    resources: mem_mb=100
    shell: "sleep 0.5; echo {wildcards.n} > {output}; echo said > {log}"
rule agg:
    input: lambda _: expand("part-{n}.txt", n=open(checkpoints.split.get().output[0]).read().split())
    output: "agg.txt"
    shell: "cat {input} > {output}"
rule block:
    output: "block.txt"
    run: open(output[0], "w").write("x")
rule again:
    input: "agg.txt"
    output: "again.txt"
    retries: 1
    shell: "[ -e tried ] || {{ touch tried; exit 1; }}; touch {output}"
"""
FAILING = """
rule all:
    input: "good.txt", "bad-1.txt", "after.txt"
rule good:
    output: "good.txt"
    priority: -1
    shell: "touch {output}"
rule bad:
    output: "bad-{n}.txt"
    log: "logs/{n}.log"
    priority: 1
    shell: "echo no such column > {log}; exit 3"
rule after:
    input: "bad-2.txt"
    output: "after.txt"
    shell: "touch {output}"
"""


def snakemake(folder: Path, *arguments: str, expect: int = 0) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--logger", "byok8s", *arguments]
    return run_in(folder, command, clean_environment(), expect)


def byok8s(folder: Path, *arguments: str, expect: int = 0) -> str:
    return run_in(folder, [sys.executable, "-m", "byok8s", *arguments], clean_environment(), expect)


def test_a_run_has_the_record_that_byok8s_keeps_of_its_own(tmp_path: Path) -> None:
    write_files(tmp_path, {"Snakefile": SNAKEFILE})
    snakemake(tmp_path, "--quiet", "all", "--config", "token=hush")
    events = events_of(tmp_path)
    assert [event["event"] for event in events[:2]] == ["run.started", "run.planned"]
    assert events[0]["snakefile"] == str(tmp_path / "Snakefile")
    assert "hush" not in json.dumps(events)
    assert (events[-1]["event"], events[-1]["state"], events[-1]["exit"]) == ("run.ended", "COMPLETE", 0)
    tries = {str(event["id"]): event for event in of_kind(events, "job.given")}
    ends = {str(event["id"]): event for event in of_kind(events, "job.ended")}
    assert list(map(len, (tries, ends))) == [8, 8]
    rules = sorted(str(tries[id_]["rule"]) for id_, end in ends.items() if end["state"] == "COMPLETE")
    assert rules == ["again", "agg", "all", "block", "part", "part", "split"]
    parts = [each for each in tries.values() if each["rule"] == "part"]
    assert sorted(str(each["wildcards"]) for each in parts) == ["{'n': 'a'}", "{'n': 'b'}"]
    assert {(each["threads"], each["mem_mb"]) for each in parts} == {(2, 100)}
    for each in parts:  # with the times of what happened, not of when it was heard of
        assert (milliseconds(ends[str(each["id"])]) or 0) - (milliseconds(each) or 0) >= 500
    first, second = (each for each in tries.values() if each["rule"] == "again")
    assert second["id"] == f"{first['job']}-1"
    assert (ends[str(first["id"])]["state"], second["attempt"]) == ("EXECUTOR_ERROR", 2)
    assert_is_shown(tmp_path)


def assert_is_shown(folder: Path) -> None:
    (run,) = json.loads(byok8s(folder, "runs", "--json"))
    assert (run["state"], byok8s(folder, "status").splitlines()[0].split(",")[1]) == (
        "COMPLETE",
        " 7 of 7 jobs done",
    )
    rows = json.loads(byok8s(folder, "trace", "--json"))
    assert sorted(row["status"] for row in rows) == ["COMPLETED"] * 7 + ["FAILED"]
    assert json.loads(byok8s(folder, "report", "--json"))["jobs"]["done"] == 7
    byok8s(folder, "logs")
    byok8s(folder, "report", "-o", "r.html")
    assert (folder / "r.html").is_file()


@pytest.mark.parametrize(("more", "good"), [([], False), (["--keep-going"], True)])
def test_what_failed_is_in_the_record_with_its_log(tmp_path: Path, more: list[str], good: bool) -> None:
    write_files(tmp_path, {"Snakefile": FAILING})
    snakemake(tmp_path, "--cores", "1", *more, expect=1)
    events = events_of(tmp_path)
    assert (events[-1]["state"], events[-1]["exit"]) == ("EXECUTOR_ERROR", 1)
    rules = {event["id"]: event["rule"] for event in of_kind(events, "job.given")}
    states = [(rules[end["id"]], end["state"]) for end in of_kind(events, "job.ended")]
    assert set(states) == {("bad", "EXECUTOR_ERROR"), *([("good", "COMPLETE")] if good else [])}
    assert len(states) == (3 if good else 1)
    assert "no such column" in byok8s(tmp_path, "logs", "bad")
    assert "Failures:" in byok8s(tmp_path, "status")


def test_the_record_is_next_to_snakemakes_own_files(tmp_path: Path) -> None:
    rule = "workdir: 'below'\nrule a:\n    output: 'a.txt'\n    log: 'a.log'\n    shell: 'echo x > {log}; exit 1'\n"
    write_files(tmp_path, {"Snakefile": rule})
    snakemake(tmp_path, expect=1)
    (run,) = (tmp_path / "below" / ".byok8s" / "runs").iterdir()
    assert sorted(path.name for path in run.iterdir()) == ["events.jsonl", "logs"]
    assert events_of(tmp_path / "below")[0]["snakefile"] == str(tmp_path / "Snakefile")


def test_nothing_to_do_and_a_dry_run_leave_no_record(tmp_path: Path) -> None:
    write_files(tmp_path, {"Snakefile": "rule a:\n    output: 'a.txt'\n    shell: 'touch {output}'\n"})
    snakemake(tmp_path, "-n")
    assert not (tmp_path / ".byok8s").exists()
    snakemake(tmp_path)
    snakemake(tmp_path)
    assert "no job has a log" in byok8s(tmp_path, "logs")
    assert len(list((tmp_path / ".byok8s" / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("number", "before", "after"),
    [(signal.SIGINT, "running", "interrupted"), (signal.SIGKILL, "running", "gone")],
)
def test_a_run_under_way_is_told_from_one_that_has_gone(
    tmp_path: Path, number: int, before: str, after: str
) -> None:
    write_files(
        tmp_path, {"Snakefile": "rule a:\n    output: 'a.txt'\n    shell: 'sleep 60; touch {output}'\n"}
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "byok8s"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment(), stderr=subprocess.DEVNULL, start_new_session=True
    ) as run:
        try:
            while not list(tmp_path.glob(".byok8s/runs/*/events.jsonl")) or "job.began" not in str(
                events_of(tmp_path)
            ):
                assert run.poll() is None
                time.sleep(0.1)
            assert before in byok8s(tmp_path, "status").splitlines()[0]
            assert "Ctrl-C where it was started" in byok8s(tmp_path, "cancel", expect=2)
        finally:
            os.killpg(run.pid, number)  # as a terminal does
    assert after in byok8s(tmp_path, "status").splitlines()[0]


def test_a_run_of_byok8s_has_one_record_whatever_loggers_it_is_given(tmp_path: Path) -> None:
    write_files(tmp_path, {"Snakefile": "rule a:\n    output: 'a.txt'\n    shell: 'touch {output}'\n"})
    byok8s(tmp_path, "-s", "Snakefile", "--local", "--", "--logger", "byok8s")
    (record,) = tmp_path.glob("**/events.jsonl")
    events = events_of(tmp_path)
    assert record == tmp_path / ".byok8s" / "runs" / str(events[0]["run"]) / "events.jsonl"
    assert [len(of_kind(events, kind)) for kind in ("run.started", "job.given", "job.ended")] == [1, 1, 1]
