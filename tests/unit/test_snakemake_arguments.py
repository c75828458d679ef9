"""The command line that Snakemake is given."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from snakemake.utils import available_cpu_count

from byok8s.access.preflight import Cluster
from byok8s.request import read_request
from byok8s.run import snakemake_cli
from byok8s.settings import Settings
from byok8s.workspace import Workspace
from folders import write_files

HERE = Cluster("context", "namespace", "v1.30.0")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    Path("Snakefile").touch()
    Path("params.yaml").write_text("depth: 3")


def parsed(
    *words: str,
    cluster: Cluster | None = HERE,
    jobs: int | None = None,
    snakemakes: tuple[str, ...] = (),
) -> Namespace:
    """As Snakemake itself understands it."""
    request = read_request(
        words,
        Settings(s3_bucket="a-bucket", local=cluster is None, jobs=jobs),
        dry_run=False,
        force=False,
        ignore_lock=False,
        snakemake_arguments=snakemakes,
    )
    assert request.bucket
    here = Path.cwd()
    place = Workspace(root=here, folder=here, user=here, of=here, snakefile=Path("Snakefile"), folders=set())
    given = snakemake_cli.arguments(
        request, request.bucket, cluster, "run", "image", Path("copy.yaml"), place
    )
    parser, args = snakemake_cli._parse(given)
    snakemake_cli._limit_threads(parser, args)
    return args


def test_the_schedulers() -> None:
    assert parsed("params").scheduler == "byok8s"
    assert parsed("params", snakemakes=("--scheduler", "ilp")).scheduler == "ilp"
    assert parsed("params", cluster=None).scheduler == "ilp"


LIMITED = Cluster("context", "namespace", "v1.30.0", threads=2)


def limits(args: Namespace) -> tuple[int | None, int | None]:
    """The threads that a job may have, and those to which byok8s scales it down, which are the nodes'."""
    scaled = args.byok8s_scale_threads
    return args.cores, scaled if isinstance(scaled, int) else None


def test_the_limit_of_threads() -> None:
    assert limits(parsed("params")) == (None, None)
    assert limits(parsed("params", cluster=LIMITED)) == (2, 2)
    assert limits(parsed("params", cluster=LIMITED, snakemakes=("-c8",))) == (8, None)
    assert limits(parsed("params", cluster=LIMITED, snakemakes=("--cores", "8"))) == (8, None)


@pytest.mark.parametrize("path", ["profiles/default/config.yaml", "mine/config.yaml"])
def test_cores_of_a_profile_count_as_those_of_the_command_line(path: str) -> None:
    write_files(Path(), {path: "cores: 3"})
    own = ("--profile", "mine") if path.startswith("mine") else ()
    assert limits(parsed("params", cluster=LIMITED, snakemakes=own)) == (3, None)
    assert limits(parsed("params", snakemakes=own)) == (3, None)
    assert limits(parsed("params", cluster=LIMITED, snakemakes=(*own, "--cores", "8"))) == (8, None)
    assert limits(parsed("params", cluster=None, snakemakes=own)) == (3, None)
    assert limits(parsed("params", cluster=None, jobs=5, snakemakes=own)) == (5, None)


def test_all_cores_of_a_profile_are_those_of_the_place() -> None:
    write_files(Path(), {"profiles/default/config.yaml": "cores: all"})
    assert limits(parsed("params", cluster=LIMITED)) == (2, 2)
    assert limits(parsed("params", cluster=None)) == (available_cpu_count(), None)


def test_params_are_only_given_if_there_are_some() -> None:
    assert parsed("params").configfile == [Path("copy.yaml")]
    assert not parsed("-", "-", "x").configfile
    assert parsed("-", "-", "x").targets == ["x"]
