"""How many threads a job can have, and rules that ask for more."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.executor.capacity import Capacity, of_nodes
from byok8s.jobs.threads import scale_down
from byok8s.kube.objects import Json, Object
from planned import planned


def node(cpu: str, *taints: Json, **labels: str) -> Object:
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {"taints": [*taints]},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi"}},
    }


TAINT: Json = {"key": "gpu", "effect": "NoSchedule"}
POD: Object = {"spec": {"containers": [{"resources": {"requests": {"cpu": "950m"}}}]}}
GROUP = "eks.amazonaws.com/nodegroup"


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([node("2")], Capacity(2, 2)),
        ([node("1930m")], Capacity(2, 2)),
        ([node("1899m")], Capacity(1, 1)),
        ([node("1900m")], Capacity(2, 2)),
        ([node("2"), node("15890m")], Capacity(16, 16)),
        ([node("2"), node("64", TAINT)], Capacity(2, 67)),
        ([node("500m")], Capacity(None, 0)),
        ([], Capacity(None)),
        ([node("4", **{GROUP: "g"})], Capacity(4, 4, grows=True)),
    ],
)
def test_the_threads_of_the_largest_node(nodes: list[Object], found: Capacity) -> None:
    assert of_nodes(nodes, POD) == found


def test_when_jobs_are_limited() -> None:
    assert Capacity(2, 8).limit(strict=False) == 8
    assert Capacity(2, 8).limit(strict=True) is None
    assert Capacity(2, 8, grows=True).limit(strict=False) is None
    assert Capacity(None, 8).limit(strict=False) is None


SNAKEFILE = """
rule all:
    input: "two", "eight", "more.1", "more.9", "here"
rule two:
    output: "two"
    threads: 2
    shell: "touch {output}"
rule eight:
    output: "eight"
    threads: 8
    resources: half=lambda wildcards, threads: threads // 2
    shell: "touch {output}"
rule more:
    output: "more.{n}"
    threads: lambda wildcards: int(wildcards.n)
    shell: "touch {output}"
localrules: here
rule here:
    output: "here"
    threads: 8
    shell: "touch {output}"
"""


def test_rules_that_ask_for_more_are_scaled_down_and_named_with_what_they_wanted(tmp_path: Path) -> None:
    with planned(tmp_path, {"Snakefile": SNAKEFILE}, cores=2) as dag:
        assert sorted(scale_down(dag, 2, {}).splitlines()) == [
            "rule eight: 8 threads asked for, the largest node has 2: runs with 2",
            "rule more: 9 threads asked for, the largest node has 2: runs with 2",
        ]
        assert {job.rule.name: job.threads for job in dag.needrun_jobs()}["eight"] == 2


def test_a_rule_has_the_threads_of_its_own_nodes(tmp_path: Path) -> None:
    """Snakemake knows one limit, that of the largest of all nodes."""
    with planned(tmp_path, {"Snakefile": SNAKEFILE}, cores=9) as dag:
        said = scale_down(dag, 4, {"eight": 6, "more": 9})
        assert said == "rule eight: 8 threads asked for, the largest node has 6: runs with 6"
        found = sorted((job.rule.name, job.threads, job.resources.get("half")) for job in dag.needrun_jobs())
        assert found == [
            ("all", 1, None), ("eight", 6, 3), ("here", 8, None), ("more", 1, None), ("more", 9, None),
            ("two", 2, None),
        ]  # fmt: skip
    with planned(tmp_path, {"Snakefile": SNAKEFILE}, cores=9) as dag:
        assert scale_down(dag, 9, {}) == ""
