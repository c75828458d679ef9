"""Where a workflow from elsewhere is run: the source's files, the user's, and what comes back."""

import json
import resource
from pathlib import Path

import pytest

from byok8s import workspace
from byok8s.errors import InputError
from byok8s.workspace import Source, folder, materialise

SNAKEFILE = Path("Snakefile")


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    user = tmp_path / "user"
    user.mkdir()
    monkeypatch.chdir(user)
    return user


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source("bananas 1.0", tmp_path / "bundle", packaged=True)


def write(place: Path, **files: str) -> None:
    """Names have two underscores for a slash."""
    for name, content in files.items():
        path = place / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def seen(source: Source) -> dict[str, str]:
    """What a run finds in its working folder."""
    with workspace.entered(source, SNAKEFILE, dry_run=False):
        return {
            str(path.relative_to(Path())): path.read_text()
            for path in sorted(Path().rglob("*"))
            if path.is_file() and ".byok8s" not in path.parts
        }


def test_the_users_files_are_beside_the_packages_and_take_the_place_of_those_of_their_name(
    user: Path, source: Source
) -> None:
    write(
        source.folder,
        Snakefile="theirs",
        scripts__a="theirs",
        scripts__b="theirs",
    )
    (source.folder / "scripts/__pycache__").mkdir()
    (source.folder / "scripts/__pycache__/a.pyc").touch()
    write(user, scripts__b="mine", scripts__c="mine", samples="mine")
    assert seen(source) == {
        "Snakefile": "theirs",
        "scripts/a": "theirs",
        "scripts/b": "mine",
        "scripts/c": "mine",
        "samples": "mine",
    }
    assert sorted(path.name for path in user.iterdir()) == [".byok8s", ".snakemake", "samples", "scripts"]
    assert folder.replaced(source, user) == [Path("scripts/b")]


def test_a_repositorys_files_stay_and_its_large_ones_are_data(user: Path, source: Source) -> None:
    source = Source("a repository", source.folder, packaged=False)
    write(source.folder, Snakefile="theirs", reads="x" * 1_000_001)
    write(user, Snakefile="mine")
    assert seen(source)["Snakefile"] == "theirs"
    with workspace.entered(source, SNAKEFILE, dry_run=False):
        assert folder.laid_files() == ["Snakefile"]
        assert workspace.users_folder() == user
    assert folder.laid_files() == []
    assert workspace.users_folder() == user


def test_another_version_takes_the_place_of_the_former_and_only_what_changed_is_new(
    user: Path, source: Source, tmp_path: Path
) -> None:
    write(source.folder, Snakefile="1", scripts__same="same", scripts__gone="gone")
    seen(source)
    laid = user / folder.WORKSPACE
    times = {name: (laid / name).stat().st_mtime for name in ("Snakefile", "scripts/same")}
    assert set(times.values()) == {materialise.LONG_AGO}
    later = Source("bananas 2.0", tmp_path / "later", packaged=True)
    write(later.folder, Snakefile="2", scripts__same="same")
    assert seen(later) == {"Snakefile": "2", "scripts/same": "same"}
    assert (laid / "scripts/same").stat().st_mtime == materialise.LONG_AGO
    assert (laid / "Snakefile").stat().st_mtime > materialise.LONG_AGO
    with workspace.temporary(source, SNAKEFILE) as place:
        assert (place.root / "scripts/same").stat().st_mtime == materialise.LONG_AGO
        assert (place.root / "Snakefile").stat().st_mtime > materialise.LONG_AGO


def test_a_folder_of_the_users_is_never_written_through_a_link(
    user: Path, source: Source, tmp_path: Path
) -> None:
    write(source.folder, Snakefile="1")
    write(user, scripts__mine="mine")
    seen(source)
    later = Source("bananas 2.0", tmp_path / "later", packaged=True)
    write(later.folder, scripts__theirs="theirs")
    assert seen(later) == {"scripts/mine": "mine", "scripts/theirs": "theirs"}
    assert list((user / "scripts").iterdir()) == [user / "scripts/mine"]


def test_what_a_run_made_comes_to_the_users_folder_also_after_a_kill(user: Path, source: Source) -> None:
    write(source.folder, Snakefile="1", logs__README="theirs")
    write(user, report="old")
    with workspace.entered(source, SNAKEFILE, dry_run=False):
        write(Path(), logs__a="log", deep__er__b="made")
        Path("report.new").write_text("new")
        Path("report.new").rename("report")
    write(user / folder.WORKSPACE, left="of a run that was killed")
    seen(source)
    assert (user / ".byok8s/made/report").read_text() == "new"
    made = {str(path.relative_to(user)): path.read_text() for path in user.rglob("*") if path.is_file()}
    kept = {name: words for name, words in made.items() if not name.startswith(".byok8s")}
    assert kept == {"logs/a": "log", "deep/er/b": "made", "report": "old", "left": "of a run that was killed"}


def test_what_is_gone_from_the_users_folder_is_gone_from_the_workspace(user: Path, source: Source) -> None:
    write(source.folder, Snakefile="1")
    write(user, samples="mine")
    assert "samples" in seen(source)
    (user / "samples").unlink()
    assert seen(source) == {"Snakefile": "1"}
    assert not list(user.glob("samples"))


def test_a_dry_run_leaves_nothing(user: Path, source: Source) -> None:
    write(source.folder, Snakefile="1")
    write(user, samples="mine")
    with workspace.entered(source, SNAKEFILE, dry_run=True):
        assert Path("Snakefile").read_text() == "1"
        assert Path("samples").read_text() == "mine"
        Path("made").touch()
    assert list(user.iterdir()) == [user / "samples"]


def test_the_list_is_of_what_was_laid(user: Path, source: Source) -> None:
    write(source.folder, Snakefile="1", rules__a="1")
    seen(source)
    assert json.loads((user / materialise.MANIFEST).read_text()) == ["Snakefile", "rules/a"]


def test_a_disk_that_takes_no_more_is_said(user: Path, source: Source) -> None:
    """Shown by a limit on the size of files, which is met in the same place."""
    write(source.folder, Snakefile="x" * 10_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"files of bananas 1\.0 cannot be put"):
            seen(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert Path.cwd() == user
    assert seen(source) == {"Snakefile": "x" * 10_000}
