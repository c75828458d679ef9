"""The command line that Snakemake is given."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from byok8s import snakemake
from byok8s.preflight import Cluster
from byok8s.request import read_request
from byok8s.settings import Settings
from byok8s.workspace import Workspace

HERE = Cluster("context", "namespace", "v1.30.0")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    Path("Snakefile").touch()
    Path("params.yaml").write_text("depth: 3")


def parsed(*words: str, cluster: Cluster | None = HERE, snakemakes: tuple[str, ...] = ()) -> Namespace:
    """As Snakemake itself understands it."""
    request = read_request(
        words,
        Settings(s3_bucket="a-bucket", local=cluster is None),
        dry_run=False,
        force=False,
        ignore_lock=False,
        snakemake_arguments=snakemakes,
    )
    assert request.bucket
    here = Path.cwd()
    place = Workspace(root=here, folder=here, user=here, of=here, snakefile=Path("Snakefile"), folders=set())
    given = snakemake.arguments(request, request.bucket, cluster, "run", "image", Path("copy.yaml"), place)
    return snakemake._parse(given)[1]


def test_the_schedulers() -> None:
    assert parsed("params").scheduler == "byok8s"
    assert parsed("params", snakemakes=("--scheduler", "ilp")).scheduler == "ilp"
    assert parsed("params", cluster=None).scheduler == "ilp"


def test_the_limit_of_threads() -> None:
    assert parsed("params").cores is None
    limited = Cluster("context", "namespace", "v1.30.0", threads=2)
    assert parsed("params", cluster=limited).cores == 2
    assert parsed("params", cluster=limited).byok8s_scale_threads is True
    assert parsed("params", cluster=limited, snakemakes=("-c8",)).byok8s_scale_threads is not True
    assert parsed("params", cluster=limited, snakemakes=("--cores", "8")).cores == 8


def test_params_are_only_given_if_there_are_some() -> None:
    assert parsed("params").configfile == [Path("copy.yaml")]
    assert not parsed("-", "-", "x").configfile
    assert parsed("-", "-", "x").targets == ["x"]
