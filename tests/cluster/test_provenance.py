"""A second folder with the same bucket runs again what the first would, on a cluster."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import Sandbox

SNAKEFILE = """
rule all:
    input: "a.txt", "b.txt"
rule a:
    output: "a.txt"
    params: p=config["p"]
    shell: "echo {params.p} > {output}"
rule b:
    output: "b.txt"
    shell: "echo b > {output}"
"""


def workflow(p: int) -> dict[str, str]:
    return {
        "Snakefile": SNAKEFILE,
        "wf.json": '{"workflow_target": "all"}',
        "params.json": json.dumps({"p": p}),
    }


@pytest.mark.timeout(600)
def test_another_folder_runs_again_what_the_first_would(cluster: Sandbox, tmp_path: Path) -> None:
    other = replace(cluster, folder=tmp_path / "other")
    cluster.write(workflow(1))
    cluster.run("wf", "params")
    other.write(workflow(2))
    said = other.run("wf", "params")
    assert "jobs done: a, " in said
    assert "jobs done: b, " not in said
    assert cluster.read("a.txt") == "2\n"
    assert "jobs done: a, " in cluster.run("wf", "params")  # its own notes say that this was made with 1
    assert cluster.read("a.txt") == "1\n"
    assert cluster.names() == []
