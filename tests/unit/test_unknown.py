"""Values that Snakemake does not know before a job runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.jobs.unknown import check, unknown
from planned import planned

SNAKEFILE = """
rule all:
    input: "a.txt"
rule b:
    output: "b.txt"
    group: "g"
    shell: "echo x > {output}"
rule a:
    input: "b.txt"
    output: "a.txt"
    group: "g"
    resources: mem_mb=lambda w, input: max(100, int(2 * input.size_mb))
    params: first=lambda w, input: open(input[0]).read()
    shell: "echo mem={resources.mem_mb} {params.first} > {output}"
"""


def test_what_depends_on_a_file_of_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with planned(tmp_path, {"Snakefile": SNAKEFILE}) as dag:
        jobs = {job.rule.name: job for job in dag.needrun_jobs()}
        assert unknown(jobs["b"]) == []
        assert unknown(jobs["a"])[0].startswith("resources.mem_m")
        assert "params.first" in unknown(jobs["a"])
        check([jobs["b"]])
        with pytest.raises(
            InputError, match=r"Of rule a, resources\.mem_m.* other jobs of its group"
        ) as caught:
            check(jobs.values())
        assert caught.value.where == "It is a member of the group g."
        (tmp_path / "b.txt").write_text("x")
        dag.workflow.iocache.deactivate()
        jobs["a"].reset_params_and_resources()
        assert unknown(jobs["a"]) == []
