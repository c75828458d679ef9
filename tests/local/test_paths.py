"""Paths that no bucket has, and names that the S3 server of --local changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from folders import clean_environment, run_in


def run(folder: Path, *arguments: str, expect: int = 0, **more: str) -> str:
    environment = clean_environment() | more
    return run_in(
        folder, [sys.executable, "-m", "byok8s", *arguments], environment | {"BYOK8S_LOCAL": "1"}, expect
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("output: '{folder}/far/x.txt'", "absolute path"),
        ("output: 'x.txt'\n    log: '{folder}/far/x.log'", "absolute path"),
        ("output: 'x.txt'\n    benchmark: '{folder}/far/x.tsv'", "absolute path"),
        ("output: '../x.txt'", "leads out of the working folder"),
        (f"output: '{'x' * 250}/{'y' * 250}/{'z' * 250}/{'u' * 250}/{'v' * 50}'", "more than 1024 bytes"),
        ("output: 'a\\\\\\\\b.txt'", "is a name that the S3 server does not keep: a/b.txt"),
    ],
)
def test_a_path_is_refused_before_anything_is_made(rule: str, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "Snakefile").write_text(
        f"rule a:\n    {rule.replace('{folder}', str(tmp_path))}\n    shell: 'touch {{output:q}}'\n"
    )
    said = " ".join(run(folder, "-s", "Snakefile", expect=2).split())
    assert words in said
    assert "rule a" in said
    results = folder / ".byok8s" / "results"
    assert not results.exists()
    assert not (tmp_path / "far").exists()
    assert not (tmp_path / "x.txt").exists()


def test_a_local_file_may_be_anywhere_on_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "far").write_text("far\n")
    (folder / "Snakefile").write_text(
        f"rule a:\n    input: local('{tmp_path}/far')\n    output: 'x.txt'\n    shell: 'cp {{input}} {{output}}'\n"
    )
    run(folder, "-s", "Snakefile")
    assert (folder / ".byok8s/results/x.txt").read_text() == "far\n"
