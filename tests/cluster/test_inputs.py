"""Inputs that only this machine has reach the jobs of a cluster; what is refused is refused before a pod is there."""

from __future__ import annotations

import json

from corner import Cluster

WORKFLOW = {
    "Snakefile": """
rule all:
    input: "out/a.txt", "n.txt"
rule one:
    input: "data/{s}.txt"
    output: "out/{s}.txt"
    params: first=lambda wildcards, input: open(input[0]).read(1)
    shell: "echo {params.first} > {output}; cat {input} >> {output}"
rule folder:
    input: "data/dir"
    output: "n.txt"
    shell: "find {input} -type f | sort | xargs cat > {output}"
""",
    "data/a.txt": "one\n",
    "data/dir/1": "1\n",
    "data/dir/deep/2": "2\n",
    "wf.json": json.dumps({"workflow_target": "all"}),
    "params.json": "{}",
}


def test_inputs_come_along_once(cluster: Cluster) -> None:
    cluster.write(WORKFLOW)
    said = cluster.run("wf", "params", expect=2)
    assert "2 files, 8 bytes, are here and not in the bucket: data/a.txt, data/dir." in " ".join(said.split())
    assert cluster.names() == []
    assert cluster.made() == []
    said = cluster.run("wf", "params", "--upload", "yes")
    assert cluster.read("out/a.txt") == "o\none\n"
    assert cluster.read("n.txt") == "1\n2\n"
    assert cluster.names() == []
    assert "Nothing to be done" in cluster.run("wf", "params")


def test_a_file_that_replaces_the_buckets_has_its_jobs_run_again(cluster: Cluster) -> None:
    cluster.write(WORKFLOW)
    cluster.run("wf", "params", "--upload", "yes")
    cluster.write({"data/a.txt": "uno\n"})
    assert "data/a.txt" in cluster.run("wf", "params", expect=2)
    cluster.run("wf", "params", "--upload", "replace")
    assert cluster.read("out/a.txt") == "u\nuno\n"


CHECKPOINT = """
rule all:
    input: "all.txt"
checkpoint choose:
    output: directory("chosen")
    shell: "mkdir {output}; touch {output}/a {output}/b"
def chosen(wildcards):
    folder = checkpoints.choose.get().output[0]
    return expand("data/{s}.txt", s=sorted(glob_wildcards(folder + "/{s,[a-z]+}").s))
rule gather:
    input: chosen
    output: "all.txt"
    shell: "cat {input} > {output}"
"""


def test_what_a_checkpoint_shows_to_be_needed(cluster: Cluster) -> None:
    cluster.write(WORKFLOW | {"Snakefile": CHECKPOINT, "data/b.txt": "two\n"})
    cluster.run("wf", "params", "--upload", "yes")
    assert cluster.read("all.txt") == "one\ntwo\n"
