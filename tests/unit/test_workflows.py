"""Which runs tell of a workflow: what it is known by, and that those of others do not count."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from click.testing import CliRunner

from byok8s import git, runs, s3
from byok8s.cli import byok8s
from byok8s.history.event import line
from byok8s.history.workflow import is_same
from byok8s.request import Request
from byok8s.run import kept
from byok8s.workspace import Source
from repository import Repository

NOWHERE = s3.Bucket("none")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/lab/rnaseq.git", "github.com/lab/rnaseq"),
        ("https://ada:secret@GitHub.com/lab/rnaseq/?token=secret", "github.com/lab/rnaseq"),
        ("git@github.com:lab/rnaseq.git", "github.com/lab/rnaseq"),
        ("ssh://git@github.com:22/lab/rnaseq", "github.com/lab/rnaseq"),
        ("file:///srv/rnaseq.git", "/srv/rnaseq"),
        ("/srv/rnaseq", "/srv/rnaseq"),
        ("https://[broken", ""),
    ],
)
def test_a_repository_has_one_name_however_it_is_reached(url: str, name: str) -> None:
    assert git.repository(url) == name


def known(file: Path, source: Source | None = None) -> str:
    return kept.workflow(cast(Request, SimpleNamespace(snakefile=file, source=source)))


def test_a_workflow_is_the_same_in_each_clone_and_folder_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit({"workflow/Snakefile": "rule all:\n"})
    for clone in ("one", "two"):
        Repository(tmp_path).git("clone", "--quiet", str(tmp_path / "repository"), clone)
        monkeypatch.chdir(tmp_path / clone)
        file = Path.cwd() / "workflow/Snakefile"
        file.write_text(f"rule {clone}:\n")
        assert known(file) == f"{tmp_path / 'repository'}#workflow/Snakefile"
    for parent in ("here", "there"):
        (tmp_path / parent / "rnaseq").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / parent / "rnaseq")
        assert known(Path.cwd() / "workflow/Snakefile") == "rnaseq#workflow/Snakefile"
        assert known(Path.cwd() / "other.smk") == "rnaseq#other.smk"
    assert known(tmp_path / "here/else/Snakefile") == "else#Snakefile"
    for version in ("1.0", "2.0"):
        package = Source(f"taco {version}", tmp_path / version, packaged=True, origin="taco")
        assert known(Path("Snakefile"), package) == "taco#Snakefile"


def test_records_without_that_know_a_workflow_by_its_snakefile() -> None:
    new = {"workflow": "rnaseq#Snakefile", "snakefile": "/home/ada/rnaseq/Snakefile"}
    assert is_same(new, {**new, "snakefile": "/home/bob/rnaseq/Snakefile"})
    assert not is_same(new, {**new, "workflow": "other#Snakefile"})
    assert is_same(new, {"snakefile": "/home/ada/rnaseq/Snakefile"})
    assert not is_same(new, {"snakefile": "/home/bob/rnaseq/Snakefile"})
    assert not is_same({}, {})


@pytest.fixture
def two_workflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with eight runs of each of two workflows that have a rule of the same name."""
    monkeypatch.chdir(tmp_path)
    for number in range(16):
        name, rss = (("a", 1000.0), ("b", 100.0))[number % 2]
        folder = tmp_path / f".byok8s/runs/20260101-0000{number:02}-abcd"
        folder.mkdir(parents=True)
        events = [
            line(0, "run.started", {"workflow": f"{name}#Snakefile", "snakefile": f"/{name}/Snakefile"}),
            line(1, "job.given", {"id": "1", "job": "1", "rule": "sort", "mem_mb": 8000, "threads": 1}),
            line(2, "job.ended", {"id": "1", "state": "COMPLETE", "max_rss": rss + number}),
        ]
        (folder / "events.jsonl").write_bytes(b"".join(events))
    broken = tmp_path / ".byok8s/runs/20260101-000099-abcd"
    broken.mkdir()
    (broken / "events.jsonl").write_bytes(b'{"cut o')


@pytest.mark.usefixtures("two_workflows")
def test_a_rule_learns_nothing_of_another_workflows_rule_of_that_name() -> None:
    of_b = runs.of_workflow({"workflow": "b#Snakefile"}, NOWHERE)
    assert [each.id[-7:-5] for each in of_b] == ["15", "13", "11", "09", "07"]
    assert [each.size.mem_mb for each in runs.learned(of_b)] == [300]
    of_a = runs.of_workflow({"workflow": "a#Snakefile"}, NOWHERE)
    assert [each.size.mem_mb for each in runs.learned(of_a)] == [1450]


@pytest.mark.usefixtures("two_workflows")
def test_advice_is_by_the_workflow_that_was_run_last_unless_runs_are_named() -> None:
    def advised(*words: str) -> dict[str, list[object]]:
        done = CliRunner().invoke(byok8s, ["advise", "--json", *words])
        assert done.exit_code == 0, done.output
        found: dict[str, list[object]] = json.loads(done.output)
        return found

    last = advised()
    assert [str(run)[-7:-5] for run in last["runs"]] == ["15", "13", "11", "09", "07"]
    assert advised("20260101-000014-abcd", "20260101-000015-abcd")["rules"] != last["rules"]
