"""A Snakefile from a git repository, on a real cluster: its sources reach the pods."""

from pathlib import Path

import pytest

from flow import FLOW
from repository import Repository
from sandbox import Sandbox


@pytest.mark.xdist_group("dns")  # which the doctor looks at
def test_a_tag_of_a_repository(cluster: Sandbox, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "flow")
    commit = repository.commit({**FLOW, "data/reads.fq": "ACGT" * 300_000}, tag="v1")
    cluster.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    where = f"git+{repository.folder}@v1"
    said = cluster.run("workflow-all", "params-theirs", "-s", where)
    assert f"(commit {commit})" in said
    assert cluster.read("out.txt") == "one theirs\n"
    assert "Nothing to be done" in cluster.run("workflow-all", "params-theirs", "-s", where)
    assert cluster.names() == []
    report = cluster.run("workflow-all", "params-theirs", "-s", where, command="doctor")
    assert "A run would work" in report
