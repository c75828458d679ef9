"""Which inputs Snakemake's plan has several jobs take."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s import s3
from byok8s.jobs.shared import Shared
from planned import planned

SNAKEFILE = """
rule all:
    input: expand("out/{w}.txt", w="ab"), "limited.txt"
rule reference:
    output: "ref.fa"
    shell: "touch {output}"
rule one:
    input: "ref.fa", own="in/{w}.txt"
    output: "out/{w}.txt"
    shell: "cp {input.own} {output}"
rule own:
    output: "in/{w}.txt"
    shell: "touch {output}"
rule limited:
    input: "ref.fa"
    output: "limited.txt"
    resources: disk_mb=100
    shell: "cp {input} {output}"
"""


def test_inputs_of_several_jobs_are_shared_but_for_those_whose_disk_is_limited(
    tmp_path: Path, server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", server.credentials.access_key),
        ("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key),
        ("AWS_ENDPOINT_URL", server.endpoint_url),
    ):
        monkeypatch.setenv(name, value)
    found = set()
    with planned(
        tmp_path / "flow", {"Snakefile": SNAKEFILE}, "all", bucket=f"{server.bucket.url}/shared"
    ) as dag:
        shared = Shared(dag)
        for job in dag.jobs:
            found |= {(job.rule.name, str(file)) for file in job.input if shared.is_shared(str(file), job)}
    assert {(rule, path.rpartition("/")[2]) for rule, path in found} == {("one", "ref.fa")}
