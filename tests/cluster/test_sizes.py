"""Rules that ask for what earlier runs have shown to be enough, instead of what they declare."""

import json

import yaml

from folders import run_in
from happened import events_of, of_kind
from sandbox import Sandbox

SNAKEFILE = """
rule all:
    input: "small.txt", "large.txt", "own.txt"
rule small:
    output: "small.txt"
    threads: 2
    resources: mem_mb=2000
    shell: "echo {resources.mem_mb} {threads} > {output}; sleep 1.5"
rule large:
    output: "large.txt"
    resources: mem_mb=1500
    shell: "echo {resources.mem_mb} {threads} > {output}; "
        "python -c 'import time; x = b\\"x\\" * 300_000_000; time.sleep(1)'"
rule own:
    output: "own.txt"
    resources: mem_mb=1200
    shell: "echo {resources.mem_mb} {threads} > {output}; sleep 1.5"
"""
ONE = ("--jobs", "1")  # at once: a test has two cores of the node


def byok8s(cluster: Sandbox, *words: str) -> str:
    return run_in(cluster.folder, [*cluster.program, *words], cluster.environment)


def asked(cluster: Sandbox, name: str) -> tuple[int, int]:
    memory, threads = cluster.read(f"{name}.txt").split()
    return int(memory), int(threads)


def test_the_next_run_asks_for_what_was_enough(cluster: Sandbox) -> None:
    cluster.write({"Snakefile": SNAKEFILE, "wf.json": '{"workflow_target": "all"}', "params.json": "{}"})
    assert "as declared: earlier runs have measured no rule" in cluster.run(
        "wf", "params", *ONE, "--sizes=learned"
    )
    assert asked(cluster, "small") == (2000, 2)

    told = json.loads(byok8s(cluster, "advise", "--json"))
    rules = {each["rule"]: each for each in told["rules"]}
    assert 286 < rules["large"]["peak_mb"] < 400
    assert rules["large"]["mem_mb"] in range(500, 700, 50)
    profile = yaml.safe_load(byok8s(cluster, "advise", "--profile"))
    assert profile["set-threads"] == {"small": 1}
    assert "large" in byok8s(cluster, "advise")

    flags = (*ONE, "--sizes=learned", "--force", "--", "--set-resources", "own:mem_mb=900")
    said = cluster.run("wf", "params", *flags)
    assert f"large {rules['large']['mem_mb']} MB" in said
    assert asked(cluster, "small") == (rules["small"]["mem_mb"], 1)
    assert asked(cluster, "large") == (rules["large"]["mem_mb"], 1)
    assert asked(cluster, "own") == (900, 1)
    (kept,) = (cluster.folder / ".byok8s").glob("runs/*/sizes.yaml")
    assert yaml.safe_load(kept.read_text()) == profile

    cluster.run("wf", "params", *ONE, "--force")
    assert asked(cluster, "large") == (1500, 1)


GROUPS = """
rule all:
    input: "second.txt", "both.txt"
rule first:
    output: "first.txt"
    group: "chain"
    resources: mem_mb=1500
    shell: "echo {resources.mem_mb} {threads} > {output}; sleep 1"
rule second:
    input: "first.txt"
    output: "second.txt"
    group: "chain"
    resources: mem_mb=1000
    shell: "echo {resources.mem_mb} {threads} > {output}; sleep 1"
rule side:
    output: "side-{n}.txt"
    group: "sides"
    resources: mem_mb=700
    shell: "echo {resources.mem_mb} {threads} > {output}; sleep 1"
rule both:
    input: "side-1.txt", "side-2.txt"
    output: "both.txt"
    group: "sides"
    resources: mem_mb=800
    shell: "echo {resources.mem_mb} {threads} > {output}"
"""


def test_jobs_of_a_group_ask_for_what_was_enough_for_it_if_they_run_one_by_one(cluster: Sandbox) -> None:
    cluster.write({"Snakefile": GROUPS})
    cluster.run("-s", "Snakefile", *ONE)
    given = of_kind(events_of(cluster.folder), "job.given")
    at_once = {"chain_first_second": 1, "sides_both_side": 2, "all": None}
    assert {each["rule"]: each.get("at_once") for each in given} == at_once
    assert (asked(cluster, "first"), asked(cluster, "second")) == ((1500, 1), (1000, 1))
    cluster.run("-s", "Snakefile", *ONE, "--sizes=learned", "--force")
    enough, _ = asked(cluster, "first")
    assert enough <= 400
    assert asked(cluster, "second") == (enough, 1)
    assert (asked(cluster, "both"), cluster.read("side-1.txt")) == ((800, 1), "700 1\n")
