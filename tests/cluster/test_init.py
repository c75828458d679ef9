"""A new workflow folder on a real cluster, by the commands that its README has for one."""

from __future__ import annotations

import shlex

import pytest

from byok8s.scaffold.write import make
from sandbox import Sandbox

REPORT = (
    "sample\treads\tkmers\tdistinct\tcommonest\ttimes\n"
    "soil\t200\t7200\t980\tCCTTCATCTTCTCTT\t16\n"
    "water\t200\t7200\t977\tAAAGTGCTAAACTGT\t14\n"
)


@pytest.mark.xdist_group("dns")  # which the doctor looks at
def test_a_new_workflow_runs_at_once_and_once(cluster: Sandbox) -> None:
    make(cluster.folder)
    readme = (cluster.folder / "README.md").read_text()
    part = readme.partition("## On a cluster\n")[2].partition("\n## ")[0]
    doctor, run = (shlex.split(line)[1:] for line in part.splitlines() if line.startswith("    byok8s "))
    assert doctor == ["doctor", *run]
    # the bucket is the one of the environment
    assert run.pop() == "--s3-bucket=my-bucket"
    assert "A run would work." in cluster.run(*run, command="doctor")
    cluster.run(*run)
    assert cluster.read("report.tsv") == REPORT
    assert len(cluster.read("reads/soil.fastq").splitlines()) == 4 * 200
    assert "Nothing to be done" in cluster.run(*run)
    assert cluster.names() == []
