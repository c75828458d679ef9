"""Inputs that only this machine has reach the jobs of a cluster; what is refused is refused before a pod is there."""

from __future__ import annotations

import json

import own_inputs
from sandbox import Sandbox

WORKFLOW = own_inputs.FILES | {"wf.json": json.dumps({"workflow_target": "all"}), "params.json": "{}"}


def test_inputs_come_along_once(cluster: Sandbox) -> None:
    cluster.write(WORKFLOW)
    said = " ".join(cluster.run("wf", "params", expect=2).split())
    assert "3 files, 12 bytes, are here and not in the bucket: data/a.txt, data/b.txt, data/dir." in said
    assert cluster.names() == []
    assert cluster.made() == []
    cluster.run("wf", "params", "--upload", "yes")
    assert cluster.read("out/a.txt") == "o\none\n"
    assert cluster.read("n.txt") == "1\n2\n"
    assert cluster.names() == []
    assert "Nothing to be done" in cluster.run("wf", "params")


def test_a_file_that_replaces_the_buckets_has_its_jobs_run_again(cluster: Sandbox) -> None:
    cluster.write(WORKFLOW)
    cluster.run("wf", "params", "--upload", "yes")
    cluster.write({"data/a.txt": "uno\n"})
    assert "data/a.txt" in cluster.run("wf", "params", expect=2)
    cluster.run("wf", "params", "--upload", "replace")
    assert cluster.read("out/a.txt") == "u\nuno\n"


def test_what_a_checkpoint_shows_to_be_needed(cluster: Sandbox) -> None:
    cluster.write(WORKFLOW | {"Snakefile": own_inputs.CHECKPOINT})
    cluster.run("wf", "params", "--upload", "yes")
    assert cluster.read("all.txt") == "one\ntwo\n"


def test_what_a_checkpoint_shows_and_nobody_has_agreed_to(cluster: Sandbox) -> None:
    cluster.write(WORKFLOW | {"Snakefile": own_inputs.CHECKPOINT})
    said = " ".join(cluster.run("wf", "params", expect=1).split())
    assert "2 files, 8 bytes, are here and not in the bucket: data/a.txt, data/b.txt." in said
    assert cluster.names() == []
