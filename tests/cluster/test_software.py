"""What rules declare of software, storage and caches, and pods do not have: run without, or refused before a run."""

from __future__ import annotations

import pytest

from sandbox import Sandbox

CONDA = {
    "workflow/Snakefile": "include: 'rules/more.smk'\nrule a:\n    input: 'b.txt'\n    output: 'a.txt'\n"
    "    conda: 'envs/a.yaml'\n    shell: 'cat {input} > {output}; echo a >> {output}'\n",
    "workflow/rules/more.smk": "rule b:\n    output: 'b.txt'\n    conda: '../envs/b.yaml'\n"
    "    container: 'docker://debian:12'\n    shell: 'echo b > {output}'\n",
    "workflow/envs/a.yaml": "channels: [conda-forge]\ndependencies: [samtools]\n",
    "workflow/envs/b.yaml": "channels: [conda-forge]\ndependencies: [samtools]\n",
}


def test_environments_below_workflow_do_not_matter_unless_they_are_asked_for(cluster: Sandbox) -> None:
    cluster.write(CONDA)
    cluster.run("-s", "workflow/Snakefile", "a")
    assert cluster.read("a.txt") == "b\na\n"


def test_software_that_pods_cannot_give_is_refused_by_rule(cluster: Sandbox) -> None:
    rule = "rule b:\n    output: 'b.txt'\n    container: 'b.sif'\n    shell: 'echo b > {output}'\n"
    cluster.write(CONDA | {"workflow/rules/more.smk": rule})
    said = cluster.run("-s", "workflow/Snakefile", "a", BYOK8S_SOFTWARE="declared", expect=2)
    words = " ".join(said[said.rfind("byok8s: ") :].split())
    assert (
        "Pods cannot have the containers that rules declare. It is declared by b (b.sif: it is a file"
        in words
    )
    assert "--software conda" in words
    assert cluster.names() == cluster.made() == []


CACHED = """
rule all:
    input: "small.txt", "folder", "x.1", "c.txt"
rule several:
    output: multiext("x", ".1", ".2")
    cache: True
    shell: "for file in {output}; do date +%N > $file; done"
rule folder:
    input: "x.2"
    output: directory("folder")
    cache: True
    shell: "mkdir -p {output}/deep; date +%N > {output}/deep/a; cp {input} {output}/b"
rule small:
    input: "in.txt"
    output: temp("small.txt")
    cache: True
    shell: "date +%N | cat {input} - > {output}"
rule grouped:
    output: "c.txt"
    group: "g"
    cache: True
    shell: "echo c > {output}"
"""


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_the_cache_between_workflows_is_filled_and_used(cluster: Sandbox, place: str) -> None:
    cache = cluster.folder.parent / "cache"
    cache.mkdir()
    where = "../cache" if place == "folder" else f"{cluster.bucket.url}/cache"
    cluster.write({"Snakefile": CACHED, "in.txt": "in\n"})
    words = ("-s", "Snakefile", "--upload", "yes", "--", "--cache")
    said = cluster.run(*words, SNAKEMAKE_OUTPUT_CACHE=where)
    assert said.count("is not used for jobs in groups") == 1
    assert "Rules that would use it: grouped." in said
    made = ("x.1", "x.2", "folder/deep/a", "folder/b", "c.txt")
    first = {path: cluster.read(path) for path in made}
    assert bool([*cache.iterdir()]) == (place == "folder")
    cluster.run(*words[:-2], "--force", *words[-2:], SNAKEMAKE_OUTPUT_CACHE=where)
    assert {path: cluster.read(path) for path in made} == first
    workspace = cluster.folder / ".byok8s" / "workflow"
    assert [path for path in (*made, "small.txt") if (workspace / path).exists()] == []


def test_a_storage_that_pods_do_not_have(cluster: Sandbox) -> None:
    there = f"{cluster.bucket.url}/there"
    rules = {
        "there": f"rule a:\n    output: storage.s3('{there}')\n    shell: 'echo a > {{output}}'\n",
        "here": f"localrules: a\nrule a:\n    output: storage.s3('{there}')\n    shell: 'echo a > {{output}}'\n",
    }
    cluster.write(rules)
    said = " ".join(cluster.run("-s", "there", expect=2, AWS_DEFAULT_REGION="us-east-1").split())
    assert (
        f"Pods do not have the storage plugin s3, which the workflow uses. It is output {there} of rule a."
        in said
    )
    assert cluster.names() == cluster.made() == []
    cluster.run("-s", "here", AWS_DEFAULT_REGION="us-east-1")
    assert cluster.read("there") == "a\n"
