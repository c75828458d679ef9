"""A run as OpenTelemetry traces: what a collector gets of a real run, and a run whose collector refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from byok8s.history.event import Event, milliseconds
from collector_standin import Collector, collecting
from folders import run_in
from happened import events_of, of_kind
from sandbox import Sandbox

SNAKEFILE = """
rule all:
    input: "out.txt", "bad.txt"
rule out:
    output: "out.txt"
    shell: "echo 1 > {output}"
rule bad:
    input: "out.txt"
    output: "bad.txt"
    shell: "echo no such column >&2; exit 3"
"""


def assert_told(collector: Collector, events: list[Event]) -> None:
    """The collector has each job of the record, with its times, its phases and what became of it, and the run last."""
    times: dict[object, list[int | None]] = {}
    for event in events:
        if event["event"] in ("job.given", "job.ended"):
            times.setdefault(event["id"], []).append(milliseconds(event))
    (whole,) = [span for span in collector.spans if not span.parent]
    jobs = {
        span.attributes["cicd.pipeline.task.name"]: span
        for span in collector.spans
        if span.parent == whole.id
    }
    found = {
        span.attributes["cicd.pipeline.task.run.id"]: [span.begin // 1_000_000, span.end // 1_000_000]
        for span in jobs.values()
    }
    assert found == times
    assert jobs["bad"].attributes["error.type"] == "exit-code"
    assert jobs["bad"].attributes["process.exit.code"] == 3
    assert jobs["out"].attributes["byok8s.job.max_rss"] > 0
    phases = {span.name for span in collector.spans if span.parent == jobs["out"].id}
    assert {"run", "store"} <= phases  # it has no input to fetch
    assert whole.attributes["cicd.pipeline.result"] == "failure"
    assert whole.end // 1_000_000 == milliseconds(of_kind(events, "run.ended")[0])
    assert collector.spans[-1] == whole


def test_a_collector_has_a_run_as_its_record_has_it(cluster: Sandbox) -> None:
    cluster.write({"Snakefile": SNAKEFILE})
    with collecting() as collector:
        said = cluster.run("-s", "Snakefile", "--otlp", collector.url, expect=1)
        collector.wait(3)
    assert "OpenTelemetry" not in said
    assert_told(collector, events_of(cluster.folder))


def test_a_run_whose_collector_refuses_is_as_any_and_can_be_sent_later_from_its_bucket(
    cluster: Sandbox, tmp_path: Path
) -> None:
    cluster.write({"Snakefile": SNAKEFILE})
    with collecting(500) as collector:
        said = cluster.run("-s", "Snakefile", "--otlp", collector.url, expect=1)
        assert said.count("OpenTelemetry") == 1
        assert "it answers 500" in said
        assert collector.spans == []
        elsewhere = replace(cluster, folder=tmp_path / "elsewhere")
        elsewhere.folder.mkdir()
        trace = [*elsewhere.program, "trace", "--otlp", collector.url]
        refused = run_in(elsewhere.folder, trace, elsewhere.environment, 3)
        assert "does not take the record: it answers 500" in refused
        collector.trouble = ""
        told = run_in(elsewhere.folder, trace, elsewhere.environment, 0)
    assert f"{len(collector.spans)} spans of run" in told
    assert_told(collector, events_of(cluster.folder))
