"""Which storage providers a workflow uses, told by a real DAG with a real bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s import s3
from byok8s.errors import InputError
from byok8s.jobs.keys import stored
from byok8s.jobs.providers import Provider, check, used_providers
from planned import planned

BUCKET = "s3://local/providers"


@pytest.fixture(autouse=True)
def environment(server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint_url)


def snakefile(rule: str) -> dict[str, str]:
    return {
        "Snakefile": 'storage other:\n    provider="byok8s", region="eu-1"\n'
        f"localrules: here\nrule {rule}\n    shell: 'touch {{output}}'\n"
    }


@pytest.mark.parametrize(
    ("rule", "used"),
    [
        ("a:\n    output: 'x'", {"byok8s"}),
        ("a:\n    output: storage.byok8s('s3://local/elsewhere/x')", {"byok8s"}),
        ("a:\n    output: 'x'\n    log: storage.s3('s3://local/elsewhere/log')", {"byok8s", "s3"}),
    ],
)
def test_the_providers_of_files(rule: str, used: set[str], tmp_path: Path) -> None:
    with planned(tmp_path, snakefile(rule), bucket=BUCKET) as dag:
        found = used_providers(dag)
    assert set(found) == used
    assert {provider.plugin for provider in found.values()} == used


def test_settings_as_variables(tmp_path: Path) -> None:
    rule = "here:\n    output: 'x', storage.other('s3://local/elsewhere/y')"
    with planned(tmp_path, snakefile(rule), bucket=BUCKET) as dag:
        found = used_providers(dag)
    assert found["other"] == Provider("byok8s", {"SNAKEMAKE_STORAGE_BYOK8S_REGION": "eu-1"})


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("a:\n    output: 'x'", ""),
        ("a:\n    output: storage.byok8s('s3://local/elsewhere/x')", ""),
        ("here:\n    output: storage.s3('s3://local/elsewhere/x')", ""),
        (
            "a:\n    output: 'x'\n    log: storage.s3('s3://local/elsewhere/log')",
            "plugin s3, which the workflow uses. It is log s3://local/elsewhere/log of rule a.",
        ),
        ("a:\n    output: storage.other('s3://local/elsewhere/x')", "provider with settings of its own"),
    ],
)
def test_a_provider_that_pods_do_not_have(rule: str, words: str, tmp_path: Path) -> None:
    with planned(tmp_path, snakefile(rule), bucket=BUCKET) as dag:
        if not words:
            check(dag)
            return
        with pytest.raises(InputError) as caught:
            check(dag)
    assert words in str(caught.value)


def test_the_keys_of_a_plan(tmp_path: Path) -> None:
    rule = "a:\n    output: 'b/x y', '/far/z'\n    log: 'c.log'\n    benchmark: '../d.tsv'"
    with planned(tmp_path, snakefile(rule), bucket=BUCKET) as dag:
        found = [(file.kind, file.path, file.key, file.expected) for file in stored(dag.jobs, dag.workflow)]
    assert found == [
        ("output", "b/x y", "providers/b/x y", "providers/b/x y"),
        ("output", "/far/z", "providers/far/z", "providers//far/z"),
        ("log", "c.log", "providers/c.log", "providers/c.log"),
        ("benchmark", "../d.tsv", "d.tsv", "providers/../d.tsv"),
    ]
