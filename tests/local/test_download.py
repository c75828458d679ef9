"""`--download`: what was asked for is in the user's folder when the run is over, and nothing else is."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from byok8s import s3
from byok8s.s3.embedded import embedded_server
from folders import clean_environment, run_in, write_files

SNAKEFILE = """
rule all:
    input: "out/a b.txt", "out/*.txt", "tree"
rule one:
    output: "between/{name}.txt"
    shell: "echo {wildcards.name:q} > {output:q}"
rule two:
    input: "between/{name}.txt"
    output: "out/{name}.txt"
    shell: "cat {input:q} > {output:q}"
rule tree:
    output: directory("tree")
    shell: "mkdir -p {output}/deep; echo leaf > {output}/deep/leaf.txt"
rule fails:
    output: "never.txt"
    shell: "exit 1"
rule some:
    input: "out/a b.txt", "never.txt"
checkpoint choose:
    output: "chosen.txt"
    shell: "echo late > {output}"
rule late:
    output: "late/{name}.txt"
    shell: "echo {wildcards.name} > {output}"
rule shown:
    input: lambda wildcards: f"late/{open(checkpoints.choose.get().output[0]).read().strip()}.txt"
"""
MADE = {"out/a b.txt": "a b\n", "out/*.txt": "*\n", "tree/deep/leaf.txt": "leaf\n"}
COMMAND = (sys.executable, "-m", "byok8s", "-s", "Snakefile", "--local")


class Run(Protocol):
    """Runs it in the folder flow with a bucket, and returns what it says."""

    def __call__(self, *words: str, expect: int = 0) -> str: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.EmbeddedS3]:
    with embedded_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def run(server: s3.EmbeddedS3, tmp_path: Path) -> Run:
    write_files(tmp_path / "flow", {"Snakefile": SNAKEFILE})
    environment = clean_environment() | {
        "AWS_ACCESS_KEY_ID": server.credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": server.credentials.secret_key,
        "BYOK8S_S3_ENDPOINT_URL": server.endpoint_url,
        "BYOK8S_S3_BUCKET": f"local/{tmp_path.name}",
    }

    def byok8s(*words: str, expect: int = 0) -> str:
        return run_in(tmp_path / "flow", [*COMMAND, *words], environment, expect)

    return byok8s


def files(folder: Path) -> dict[str, str]:
    """Return what is in a folder, without byok8s' own."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
        and not {".byok8s", ".snakemake"} & set(path.parts)
        and path.name != ".snakemake_timestamp"
    }


def test_the_inputs_of_a_target_without_outputs_come_to_a_folder_and_once(run: Run, tmp_path: Path) -> None:
    said = run("--download", "here/results")
    assert files(tmp_path / "flow/here/results") == MADE
    assert "Fetched: 4 files, 11 bytes." in said  # with Snakemake's timestamp of the folder
    assert "Fetched: 0 files, 0 bytes; 4 here already." in run("--download", "here/results")


def test_the_outputs_of_a_target_come_to_the_working_folder(run: Run, tmp_path: Path) -> None:
    run("out/a b.txt", "--download", ".")
    assert files(tmp_path / "flow") == {"Snakefile": SNAKEFILE, "out/a b.txt": "a b\n"}


def test_what_a_failed_run_has_made_comes_too(run: Run, tmp_path: Path) -> None:
    run("some", "--download", "results", "--", "--keep-going", expect=1)
    assert files(tmp_path / "flow/results") == {"out/a b.txt": "a b\n"}


def test_what_a_checkpoint_has_shown_comes_too(run: Run, tmp_path: Path) -> None:
    run("shown", "--download", "results")
    assert files(tmp_path / "flow/results") == {"late/late.txt": "late\n"}


def test_a_file_of_the_users_is_not_replaced(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path / "flow/results", {"out/a b.txt": "mine\n"})
    said = run("out/a b.txt", "--download", "results", expect=2)
    assert "is here with another content: out/a b.txt" in said
    assert files(tmp_path / "flow/results") == {"out/a b.txt": "mine\n"}


def test_a_run_that_has_failed_says_so_even_if_its_files_cannot_be_brought(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path / "flow/results", {"out/a b.txt": "mine\n"})
    said = run("some", "--download", "results", "--", "--keep-going", expect=1)
    assert "is here with another content: out/a b.txt" in said
    assert files(tmp_path / "flow/results") == {"out/a b.txt": "mine\n"}


def test_a_dry_run_brings_nothing(run: Run, tmp_path: Path) -> None:
    run("--download", "results", "-n")
    assert not Path(tmp_path / "flow/results").exists()


@pytest.mark.parametrize("folder", ["Snakefile", "Snakefile/below"])
def test_what_is_no_folder_is_refused_before_anything_is_done(run: Run, tmp_path: Path, folder: str) -> None:
    assert "Snakefile is no folder" in " ".join(run("--download", folder, expect=2).split())
    assert not Path(tmp_path / "flow/.byok8s").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_refused(run: Run, tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    assert "cannot be written to" in run("--download", str(shut), expect=2)


def test_without_a_bucket_too(tmp_path: Path) -> None:
    write_files(tmp_path / "flow", {"Snakefile": SNAKEFILE})
    run_in(tmp_path / "flow", [*COMMAND, "--download", "results"], clean_environment())
    assert files(tmp_path / "flow/results") == MADE
