"""Programs that watch a run by a logger plugin of Snakemake's are told the truth."""

from __future__ import annotations

import json
import os
from pathlib import Path

from byok8s.history.event import milliseconds
from byok8s.kube import Object
from happened import events_of, of_kind
from sandbox import Sandbox

PLUGIN = """
import json, time
from pathlib import Path
from snakemake_interface_logger_plugins.base import LogHandlerBase

class LogHandler(LogHandlerBase):
    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = True

    def emit(self, record):
        if event := getattr(record, "event", None):
            facts = {name: getattr(record, name)
                     for name in ("jobid", "job_id", "jobs", "rule_name", "local", "log") if hasattr(record, name)}
            facts["there"] = [Path(log).is_file() for log in facts.get("log", [])]
            row = json.dumps({"event": str(event), "time": record.created, **facts})
            with open(TOLD, "a") as file:
                file.write(row + "\\n")
"""
SNAKEFILE = """
localrules: all, here
rule all:
    input: expand("out-{i}.txt", i=range(2)), "here.txt", "bad.txt"
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
    priority: -1
    shell: "echo no such column >&2; exit 3"
"""


def test_a_job_is_told_of_when_it_runs_and_its_logs_are_there(cluster: Sandbox) -> None:
    """There is one worker for three jobs, so two of them wait for seconds although Snakemake has chosen them."""
    told = cluster.folder / "told.jsonl"
    plugins = cluster.folder / "plugins"
    (plugins / "snakemake_logger_plugin_told").mkdir(parents=True)
    (plugins / "snakemake_logger_plugin_told" / "__init__.py").write_text(f"TOLD = {str(told)!r}\n{PLUGIN}")
    cluster.write({"Snakefile": SNAKEFILE})
    path = os.pathsep.join(filter(None, [str(plugins), os.environ.get("PYTHONPATH")]))
    quota: Object = {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}}
    cluster.client.post(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas", quota)
    cluster.run(
        "-s", "Snakefile", "--jobs", "3", "--", "--keep-going", "--logger", "told", expect=1, PYTHONPATH=path
    )
    rows = [json.loads(row) for row in told.read_text().splitlines()]
    rules = {row["jobid"]: row["rule_name"] for row in rows if row["event"] == "job_info"}
    started = [(job, row["time"]) for row in rows if row["event"] == "job_started" for job in row["jobs"]]
    finished = {row["job_id"]: row["time"] for row in rows if row["event"] == "job_finished"}
    assert sorted(rules[job] for job, _ in started) == ["bad", "here", "out", "out"]
    assert all(time <= finished.get(job, time) for job, time in started)
    in_pods = sorted(time for job, time in started if rules[job] != "here")
    began = sorted(
        milliseconds(event) or 0
        for event in of_kind(events_of(cluster.folder), "job.began")
        if "pod" in event
    )
    assert len(began) == 3
    assert all(time * 1000 >= when for time, when in zip(in_pods, began, strict=True))
    told_of = sorted(row["time"] for row in rows if row["event"] == "job_info" and not row["local"])
    assert all(time * 1000 >= when for time, when in zip(told_of, began, strict=True))
    logs = [Path(log) for row in rows if row["event"] == "job_info" for log in row["log"]]
    assert all(log.is_file() for log in logs)
    assert {"at home\n", "working on 0\n", "working on 1\n"} <= {log.read_text() for log in logs}
    (failed,) = [row for row in rows if row["event"] == "job_error"]
    assert failed["there"] == [True]
    assert "no such column" in Path(failed["log"][0]).read_text()
