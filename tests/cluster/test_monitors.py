"""Monitors that others have written show a run on a cluster as it is: snkmt's, snakesee's and rich's logger plugins."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from byok8s.history.event import milliseconds
from byok8s.kube import Object
from happened import events_of, of_kind
from own_environment import environment
from sandbox import Sandbox
from terminal import at_a_terminal

PLUGINS = (
    "snakemake-logger-plugin-snkmt==0.1.9",
    "snkmt==0.4.0",
    "snakemake-logger-plugin-snakesee==0.1.1",
    "snakemake-logger-plugin-rich==0.5.1",
)
SNAKEFILE = """
localrules: all, here
rule all:
    input: expand("out-{i}.txt", i=range(4)), "here.txt", "bad.txt"
rule out:
    output: "out-{i}.txt"
    log: "logs/out-{i}.log"
    shell: "echo working on {wildcards.i} > {log}; sleep 2; echo {wildcards.i} > {output}"
rule here:
    output: "here.txt"
    log: "logs/here.log"
    shell: "echo at home > {log}; echo here > {output}"
rule bad:
    output: "bad.txt"
    log: "logs/bad.log"
    priority: 1
    shell: "echo no such column > {log}; exit 3"
"""
pytestmark = pytest.mark.xdist_group("monitors")  # one makes the environment for the others

WORDS = ("-s", "Snakefile", "--jobs", "3", "--", "--keep-going", "--logger")


@pytest.fixture
def watched(cluster: Sandbox) -> Sandbox:
    """Return where a workflow, of which one job after another has room, can be run with logger plugins."""
    cluster.write({"Snakefile": SNAKEFILE})
    quota: Object = {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}}
    cluster.client.post(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas", quota)
    python = environment(PLUGINS, with_ours=True)
    home = {"HOME": str(cluster.folder), "XDG_DATA_HOME": str(cluster.folder / "data")}
    return replace(cluster, program=(str(python), "-m", "byok8s"), environment=cluster.environment | home)


def began(watched: Sandbox) -> list[int]:
    """Return when jobs began to run in pods, in milliseconds since 1970."""
    events = of_kind(events_of(watched.folder), "job.began")
    return sorted(milliseconds(event) or 0 for event in events if "pod" in event)


def test_snkmt_has_the_times_and_the_logs_of_all_jobs(watched: Sandbox) -> None:
    watched.run(*WORDS, "snkmt", expect=1)
    (database,) = watched.folder.glob("data/**/*.db")
    with sqlite3.connect(database) as snkmt:
        jobs = snkmt.execute(
            "SELECT status, started_at, end_time, name FROM jobs JOIN rules ON rules.id = rule_id ORDER BY started_at"
        ).fetchall()
        logs = [Path(path) for (path,) in snkmt.execute("SELECT path FROM files WHERE file_type = 'LOG'")]
    assert sorted(status for status, *_ in jobs) == ["ERROR", *["SUCCESS"] * 5]
    in_pods = [
        datetime.fromisoformat(start).replace(tzinfo=UTC) for _, start, _, rule in jobs if rule != "here"
    ]
    started = [time.timestamp() * 1000 for time in in_pods]
    assert all(told >= when for told, when in zip(started, began(watched), strict=True))
    assert all(start <= end for _, start, end, _ in jobs)
    assert len(logs) >= 6
    assert all(log.is_file() for log in logs)
    said = [log.read_text().strip() for log in logs]
    assert {"at home", "no such column", *(f"working on {i}" for i in range(4))} <= set(said)


def test_snakesee_has_the_times_of_all_jobs(watched: Sandbox) -> None:
    file = watched.folder / "told.jsonl"
    watched.run(*WORDS, "snakesee", "--logger-snakesee-event-file", str(file), expect=1)
    rows = [json.loads(row) for row in file.read_text().splitlines()]
    (here,) = [
        row["job_id"]
        for row in rows
        if row.get("rule_name") == "here" and row["event_type"] == "job_submitted"
    ]
    in_pods = [row for row in rows if row["event_type"] == "job_started" and row["job_id"] != here]
    started = sorted(row["timestamp"] * 1000 for row in in_pods)
    assert all(time >= when for time, when in zip(started, began(watched), strict=True))
    ends = [row["event_type"] for row in rows if row["event_type"] in ("job_finished", "job_error")]
    assert sorted(ends) == ["job_error", *["job_finished"] * 5]


def test_rich_shows_the_log_of_what_failed_and_byok8s_nothing_of_its_own(watched: Sandbox) -> None:
    code, said = at_a_terminal(watched, *WORDS, "rich")
    assert code == 1, said
    assert "Workflow Progress" in said
    assert "no such column" in said
    assert "Traceback" not in said
    assert not re.search(r"\d jobs done|WAITING", said), said
