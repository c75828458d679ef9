"""What rules declare of software, storage and caches, and pods do not have: run without, or refused before a run."""

from __future__ import annotations

import pytest

from corner import Cluster

CONDA = {
    "workflow/Snakefile": "include: 'rules/more.smk'\nrule a:\n    input: 'b.txt'\n    output: 'a.txt'\n"
    "    conda: 'envs/a.yaml'\n    shell: 'cat {input} > {output}; echo a >> {output}'\n",
    "workflow/rules/more.smk": "rule b:\n    output: 'b.txt'\n    conda: '../envs/b.yaml'\n"
    "    container: 'docker://debian:12'\n    shell: 'echo b > {output}'\n",
    "workflow/envs/a.yaml": "channels: [conda-forge]\ndependencies: [samtools]\n",
    "workflow/envs/b.yaml": "channels: [conda-forge]\ndependencies: [samtools]\n",
}


def test_environments_below_workflow_do_not_matter_unless_they_are_asked_for(cluster: Cluster) -> None:
    cluster.write(CONDA)
    cluster.run("-s", "workflow/Snakefile", "a")
    assert cluster.read("a.txt") == "b\na\n"


@pytest.mark.parametrize(
    ("method", "named"), [("conda", "a (conda), b (conda)"), ("apptainer", "b (container)")]
)
def test_software_for_each_rule_is_refused_by_name(method: str, named: str, cluster: Cluster) -> None:
    cluster.write(CONDA)
    said = cluster.run("-s", "workflow/Snakefile", "a", "--", "--sdm", method, expect=2)
    words = " ".join(said[said.rfind("byok8s: ") :].split())
    assert "is not there in pods: all have the run's image" in words
    assert sorted(named.split(", ")) == sorted(words.split("declared by ")[1].split(".")[0].split(", "))
    assert "--image" in words
    assert cluster.names() == cluster.made() == []


def test_the_cache_between_workflows_is_not_used_and_that_is_said_once(cluster: Cluster) -> None:
    (cluster.folder.parent / "cache").mkdir()
    cluster.write(
        {"Snakefile": "rule c:\n    output: 'c.txt'\n    cache: True\n    shell: 'echo c > {output}'\n"}
    )
    said = cluster.run("-s", "Snakefile", "--", "--cache", SNAKEMAKE_OUTPUT_CACHE="../cache")
    assert said.count("is not used on a cluster") == 1
    assert "Rules that would use it: c." in said
    assert cluster.read("c.txt") == "c\n"
    assert [*(cluster.folder.parent / "cache").iterdir()] == []


def test_a_storage_that_pods_do_not_have(cluster: Cluster) -> None:
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
