"""The commit that a folder is at, by the user's own git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from byok8s.git import commit


def git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow" / "Snakefile").write_text("rule all:\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    git(tmp_path, "tag", "-a", "v1", "-m", "v1")
    return tmp_path / "workflow"


def test_the_commit_is_its_whole_hash_also_if_it_has_a_tag(folder: Path) -> None:
    found = commit(folder)
    assert found
    assert (found.name, found.modified) == (git(folder, "rev-parse", "HEAD").strip(), False)


def test_only_a_change_of_what_git_knows_is_one(folder: Path) -> None:
    (folder / "notes").touch()
    found = commit(folder)
    assert found
    assert not found.modified
    (folder / "Snakefile").write_text("rule other:\n")
    changed = commit(folder)
    assert changed
    assert (changed.name, changed.modified) == (found.name, True)


def test_a_folder_in_no_repository_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert commit(tmp_path) is None  # no commit yet
    monkeypatch.setenv("PATH", "")
    assert commit(tmp_path) is None
