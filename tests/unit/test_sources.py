"""Which small files of the user's folder pods get."""

import subprocess
from pathlib import Path

import pytest

from byok8s import workspace
from byok8s.bundle import sources
from folders import write_files

FILES = {
    "Snakefile": "",
    "config/a.tsv": "1",
    "lib/b.py": "",
    ".snakemake/x": "",
    ".byok8s/y": "",
    "big": "x" * 1_000_001,
}


def small(folder: Path) -> set[str]:
    with workspace.entered(None, folder / "Snakefile", dry_run=True):
        found, complete = sources.small_files()
    assert complete
    return {path for path, _ in found}


def test_without_git_all_small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, FILES)
    (tmp_path / "up").symlink_to("..")
    monkeypatch.chdir(tmp_path)
    assert small(tmp_path) == {"Snakefile", "config/a.tsv", "lib/b.py"}


def test_in_a_repository_what_git_does_not_ignore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, FILES | {".gitignore": "lib\n", "new": ""})
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "Snakefile"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    assert small(tmp_path) == {"Snakefile", "config/a.tsv", ".gitignore", "new"}


def test_they_are_those_of_the_root_also_where_byok8s_was_started_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, {"workflow/Snakefile": "", "lib/b.py": "", ".test/c.tsv": ""})
    monkeypatch.chdir(tmp_path / ".test")
    with workspace.entered(None, tmp_path / "workflow/Snakefile", dry_run=True) as place:
        assert {path for path, _ in sources.small_files()[0]} == {
            "workflow/Snakefile",
            "lib/b.py",
            ".test/c.tsv",
        }
        assert Path.cwd() == place.root / ".test"
        assert Path("../workflow/Snakefile").is_file()
        assert place.snakefile == Path("../workflow/Snakefile")


def test_a_file_of_the_workflow_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snakemake_storage_plugin_byok8s import watch

    write_files(tmp_path, {"Snakefile": "", "out/a.txt": "", "out/b.txt": ""})
    monkeypatch.chdir(tmp_path)
    with workspace.entered(None, tmp_path / "Snakefile", dry_run=True):
        watching = watch.current()
        assert watching
        watching.mirror.withdraw("out/a.txt")
        assert {path for path, _ in sources.small_files()[0]} == {"Snakefile", "out/b.txt"}


def test_a_folder_of_data_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOOKED_AT", 5)
    write_files(
        tmp_path, {"Snakefile": "", **{f"data/{number}": "" for number in range(9)}, "data/deep/x": ""}
    )
    monkeypatch.chdir(tmp_path)
    with workspace.entered(None, tmp_path / "Snakefile", dry_run=True):
        found, complete = sources.small_files()
    assert not complete
    assert ("data/deep/x", 0) not in found


def test_bounds_leave_out_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SMALL_FILES_BYTES", 10)
    taken, left = sources._bounded([("named", 100), ("a", 4), ("b", 4), ("c", 4), ("d", 2)], {"named"})
    assert (taken, left) == ({"a", "b", "d"}, 1)
    assert "1 small files" in sources._words(left, complete=True)
    assert sources._words(0, complete=True) == ""
