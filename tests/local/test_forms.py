"""The forms of a command line: with and without a workflow file, params and targets, as plain Snakemake has them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from folders import clean_environment, run_in

SNAKEFILE = (
    "rule first:\n    output: 'first.txt'\n    params: name=config.get('name', '')\n"
    "    shell: 'echo {params.name} > {output}'\n"
    "rule second:\n    output: 'second.txt'\n    shell: 'echo second > {output}'\n"
)


def run(folder: Path, *arguments: str, expect: int = 0) -> str:
    return run_in(
        folder,
        [sys.executable, "-m", "byok8s", *arguments],
        clean_environment() | {"BYOK8S_LOCAL": "1"},
        expect,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "wf.json").write_text('{"description": "without a target"}')
    (folder / "aims.json").write_text('{"workflow_target": "second"}')
    (folder / "blue.json").write_text('{"name": "blue"}')
    return folder


@pytest.mark.parametrize(
    ("words", "first", "made"),
    [
        ("-s Snakefile", "", ["first.txt"]),
        ("-s Snakefile second", "", ["second.txt"]),
        ("-s Snakefile blue second.txt first.txt", "blue", ["first.txt", "second.txt"]),
        ("blue", "blue", ["first.txt"]),
        ("run", "", ["first.txt"]),
        ("wf blue", "blue", ["first.txt"]),
        ("aims", "", ["second.txt"]),
        ("- blue second", "", ["second.txt"]),
    ],
)
def test_what_a_form_makes(words: str, first: str, made: list[str], folder: Path) -> None:
    said = run(folder, *words.split())
    results = folder / ".byok8s" / "results"
    assert sorted(path.name for path in results.iterdir() if not path.name.startswith(".")) == made
    if "first.txt" in made:
        assert (results / "first.txt").read_text().strip() == first
    assert ("the Snakefile's default" in said) == (made == ["first.txt"])


def test_a_target_that_no_rule_makes(folder: Path) -> None:
    assert "No rule to produce" in run(folder, "-s", "Snakefile", "third", expect=2)


def test_a_configfile_that_is_missing_is_missed_without_params(folder: Path) -> None:
    (folder / "Snakefile").write_text("configfile: 'no-such.yaml'\n" + SNAKEFILE)
    assert "no-such.yaml" in run(folder, "-s", "Snakefile", expect=2)
    run(folder, "-s", "Snakefile", "blue")


def test_a_snakefile_beside_the_working_folder(folder: Path) -> None:
    """The layout of snakemake-workflows: workflow/, and a folder beside it in which its test runs."""
    (folder / "workflow" / "rules").mkdir(parents=True)
    (folder / "workflow" / "Snakefile").write_text(
        "include: 'rules/more.smk'\nrule all:\n    input: 'first.txt'\n"
    )
    (folder / "workflow" / "rules" / "more.smk").write_text(SNAKEFILE)
    (folder / ".test").mkdir()
    run(folder / ".test", "-s", "../workflow/Snakefile")
    assert (folder / ".test" / ".byok8s" / "results" / "first.txt").is_file()


def test_a_folder_as_the_cache_between_workflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative one is named from where byok8s was started."""
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", "../cache")
    (tmp_path / "cache").mkdir()
    for name, seen in (("one", "Moving output file"), ("two", "Symlinking output file")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Snakefile").write_text(
            "rule c:\n    output: 'c.txt'\n    cache: True\n    shell: 'date +%N > {output}'\n"
        )
        assert seen in run(tmp_path / name, "-s", "Snakefile", "--", "--cache")
    first, second = (tmp_path / name / ".byok8s/results/c.txt" for name in ("one", "two"))
    assert first.read_text() == second.read_text() != ""
