"""A checkpoint on a real cluster: what follows it is known once it has run, here and in the pods."""

import json
from collections.abc import Iterator

import pytest

import second_try
from channel import BRIDGE
from sandbox import Sandbox

SNAKEFILE = """
checkpoint count:
    output: "count.txt"
    params: n=config["n"]
    shell: "echo {params.n} > {output}"

def parts(wildcards):
    with checkpoints.count.get().output[0].open() as counted:
        return [f"part-{i}.txt" for i in range(int(counted.read()))]

rule part:
    output: "part-{i}.txt"
    shell: "echo {wildcards.i} > {output}"

rule all:
    input: parts
    output: "all.txt"
    shell: "cat {input} > {output}"
"""


def test_a_checkpoint_runs_again_when_its_parameter_changes(cluster: Sandbox) -> None:
    """Snakemake alone refuses that: it believes in a local copy of the checkpoint's output that it has removed."""
    params = {f"{n}.json": json.dumps({"n": n}) for n in (1, 3)}
    cluster.write({"Snakefile": SNAKEFILE, "wf.json": '{"workflow_target": "all"}', **params})
    cluster.run("wf", "1")
    assert cluster.read("all.txt") == "0\n"
    cluster.run("wf", "1", "--dry-run")
    assert "checkpoint count" in cluster.run("wf", "3", "--dry-run")
    cluster.run("wf", "3")
    assert cluster.read("all.txt") == "0\n1\n2\n"


def test_a_name_that_the_server_changes_and_that_is_only_known_after_a_checkpoint(cluster: Sandbox) -> None:
    cluster.write(
        {
            "Snakefile": "rule all:\n    input: lambda w: checkpoints.names.get().output and 'a' + chr(92) + 'b.txt'\n"
            "checkpoint names:\n    output: 'names.txt'\n    shell: 'echo > {output}'\n"
            "rule one:\n    output: '{name}b.txt'\n    shell: 'echo > {output:q}'\n"
        }
    )
    said = " ".join(cluster.run("-s", "Snakefile", expect=1).split())
    assert "of rule one is a name that the S3 server does not keep: a/b.txt" in said
    assert cluster.made() == ["names.txt"]
    assert cluster.names() == []


@pytest.fixture
def gates() -> Iterator[second_try.Gates]:
    with second_try.gates(BRIDGE) as found:
        yield found


@pytest.mark.parametrize("rules", ["", "localrules: again"])
def test_a_job_that_waits_for_another_try_outlives_a_checkpoint(
    rules: str, cluster: Sandbox, gates: second_try.Gates
) -> None:
    """With --keep-going Snakemake itself would say that the run without it is complete."""
    cluster.write({"Snakefile": second_try.snakefile(gates, rules)})
    # the last has byok8s say what Snakemake says
    words = ("--resources", "slot=1", "--keep-going", "--printshellcmds")
    said = second_try.led(cluster.start("-s", "Snakefile", "--", *words), gates)
    assert said.index("checkpoint dependencies") < said.index("(Rule: again)")
    assert {"again.txt", "held.txt", "all.txt"} <= set(cluster.made())
    assert cluster.names() == []


def test_plain_snakemake_does_not_lose_one_of_a_pod_either(cluster: Sandbox, gates: second_try.Gates) -> None:
    cluster.write({"Snakefile": second_try.snakefile(gates)})
    run = cluster.start_snakemake("--jobs", "8", "--resources", "slot=1", "--keep-going")
    second_try.led(run, gates)
    assert {"again.txt", "held.txt", "all.txt"} <= set(cluster.made())
