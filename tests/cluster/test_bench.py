"""What `make bench-scale` measures with: few jobs, whose work is stood in for, on a real cluster."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from folders import run_in
from sandbox import Sandbox

CONTROLLER = Path(__file__).parents[2] / "bench" / "controller.py"
JOBS = 10
SNAKEFILE = """
rule one:
    input: "in-{i}.txt"
    output: "out-{i}.txt"
    resources: mem_mb=256
    shell: "echo {wildcards.i} > {output}"
"""


@pytest.mark.parametrize(("side", "made_by"), [("byok8s", {"one"}), ("null", set())])
def test_every_job_has_its_output_and_is_counted(cluster: Sandbox, side: str, made_by: set[str]) -> None:
    """side: byok8s' executor, or one in its place that does nothing but tell that jobs have ended."""
    wanted = [f"out-{number}.txt" for number in range(JOBS)]
    cluster.write(
        {
            "Snakefile": SNAKEFILE,
            "workflow.json": json.dumps({"workflow_target": wanted}),
            "params.json": "{}",
            **{f"in-{number}.txt": "" for number in range(JOBS)},
        }
    )
    report = cluster.folder.parent / "samples.json"
    command = [sys.executable, str(CONTROLLER), side, "5", str(report), "workflow", "params"]
    run_in(
        cluster.folder,
        [*command, "-k", cluster.namespace, "--jobs", "2", "--upload", "yes"],
        cluster.environment,
    )
    samples = json.loads(report.read_text())
    assert [sample["done"] for sample in samples] == [0, 5, 10]
    assert samples[-1]["cpu"] > samples[0]["cpu"]
    assert [cluster.read(name) for name in wanted] == ["stand-in\n"] * JOBS
    assert {event["rule"] for event in events(cluster) if event["event"] == "job.given"} == made_by


def events(cluster: Sandbox) -> list[dict[str, object]]:
    (record,) = (cluster.folder / ".byok8s" / "runs").glob("*/events.jsonl")
    return [json.loads(line) for line in record.read_text().splitlines()]
