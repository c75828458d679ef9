"""Threads of rules on a cluster whose largest node has fewer."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.executor import capacity
from sandbox import KUBECONFIG, Sandbox

SNAKEFILE = """
print("the cluster has", workflow.cores)
rule all:
    input: "half.txt", "many.txt"
rule half:
    output: "half.txt"
    threads: workflow.cores * 0.5
    shell: "echo {threads} > {output}"
rule many:
    output: "many.txt"
    threads: 1000
    shell: "echo {threads} > {output}"
"""


@pytest.fixture
def largest(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("KUBECONFIG", str(Path(KUBECONFIG)))
    threads = capacity.look(None, {}, None).threads
    assert threads
    return threads


@pytest.mark.alone  # it needs all of the node
def test_threads_are_scaled_down_to_the_largest_node(cluster: Sandbox, largest: int) -> None:
    cluster.write({"Snakefile": SNAKEFILE})
    said = cluster.run("-s", "Snakefile")
    assert said.count("threads asked for") == 1
    assert f"rule many: 1000 threads asked for, the largest node has {largest}: runs with {largest}" in said
    assert f"the cluster has {largest}\n" in said
    assert cluster.read("many.txt") == f"{largest}\n"


def test_strict_threads_refuse_the_rule_by_name(cluster: Sandbox, largest: int) -> None:
    cluster.write({"Snakefile": SNAKEFILE})
    said = cluster.run("-s", "Snakefile", "--strict-threads", expect=3)
    assert f"rule many: it asks for 950 CPU and the largest node has {largest} CPU" in said
    assert "rule half" not in said[said.rfind("byok8s: ") :]
    assert cluster.made() == []
    assert cluster.names() == []


def test_cores_that_the_user_names_count_over_the_clusters(cluster: Sandbox) -> None:
    cluster.write({"Snakefile": SNAKEFILE})
    said = cluster.run("-s", "Snakefile", "half.txt", "--", "--cores", "4", "--printshellcmds")
    assert "the cluster has 4\n" in said
    assert "threads: 2\n" in said


@pytest.mark.xdist_group("dns")  # which the doctor looks at
def test_the_doctor_knows_what_a_run_gives_to_a_rule(cluster: Sandbox, largest: int) -> None:
    cluster.write({"Snakefile": SNAKEFILE})
    said = " ".join(cluster.run("-s", "Snakefile", command="doctor").split())
    assert f"largest job {largest} CPU, 1000 MB of memory, of rule many: there is a node for it" in said
    said = cluster.run("-s", "Snakefile", "--strict-threads", command="doctor", expect=3)
    assert "950 CPU" in said
