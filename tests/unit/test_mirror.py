"""The mirror of a folder: links, split where it must be, and never a way to the user's files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_storage_plugin_byok8s import watch
from snakemake_storage_plugin_byok8s.mirror import SPLIT_AT_ONCE, Mirror


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    user, root = tmp_path / "user", tmp_path / "root"
    root.mkdir()
    for name in ("a.txt", "data/b.txt", "data/deep/c.txt", "other/d.txt", ".git/config", ".snakemake/x"):
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_text(name)
    monkeypatch.chdir(root)
    yield Mirror(root, user)
    watch.stop()


def links(mirror: Mirror) -> set[str]:
    return {
        os.path.relpath(os.path.join(folder, name), mirror.root)  # noqa: PTH118
        for folder, folders, names in os.walk(mirror.root)
        for name in (*folders, *names)
        if Path(folder, name).is_symlink()
    }


def make_large(mirror: Mirror, folder: str) -> None:
    for number in range(SPLIT_AT_ONCE):
        Path(mirror.of, folder, str(number)).touch()


def test_small_folders_are_split_and_a_large_one_is_a_link(mirror: Mirror) -> None:
    make_large(mirror, "other")
    mirror.lay()
    assert links(mirror) == {"a.txt", "data/b.txt", "data/deep/c.txt", "other"}


def test_a_large_folder_is_split_where_a_key_lies_below_it(mirror: Mirror) -> None:
    make_large(mirror, "data")
    mirror.lay()
    assert "data" in links(mirror)
    assert mirror.withdraw("data/deep/new.txt") is None
    assert {"data/b.txt", "data/deep/c.txt"} <= links(mirror)
    Path("data/deep/new.txt").write_text("made")
    assert not Path(mirror.of, "data/deep/new.txt").exists()


def test_the_name_of_a_withdrawn_file_is_listed_and_cannot_be_opened(mirror: Mirror) -> None:
    mirror.lay()
    assert mirror.withdraw("data/b.txt") == Path(mirror.of, "data/b.txt")
    assert sorted(os.listdir("data")) == ["b.txt", "deep"]  # noqa: PTH208
    with pytest.raises(FileNotFoundError):
        Path("data/b.txt").read_text()
    mirror.clear("data/b.txt")
    Path("data/b.txt").write_text("made")
    assert Path(mirror.of, "data/b.txt").read_text() == "data/b.txt"
    assert mirror.withdraw("data/b.txt") is None
    assert Path("data/b.txt").read_text() == "made"


@pytest.mark.parametrize("large", [False, True])
def test_a_folder_that_is_a_key_has_nothing_of_the_users(mirror: Mirror, large: bool) -> None:
    if large:
        make_large(mirror, "data")
    mirror.lay()
    mirror.withdraw("data")
    assert mirror.is_name("data")
    mirror.clear("data")
    Path("data").mkdir()
    assert Path(mirror.of, "data/deep/c.txt").read_text() == "data/deep/c.txt"


def test_a_file_of_the_users_may_have_the_name_of_a_folder_of_keys(mirror: Mirror) -> None:
    mirror.lay()
    mirror.withdraw("a.txt/inside")
    Path("a.txt").mkdir()
    assert Path(mirror.of, "a.txt").read_text() == "a.txt"


def test_links_of_the_users_are_split_for_a_key_alone(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_text("mine")
    Path(mirror.of, "out").symlink_to(tmp_path / "outside")
    Path(mirror.of, "loop").symlink_to(".")
    mirror.lay()
    assert {"out", "loop"} <= links(mirror)
    watch.watch(mirror)
    os.listdir()  # noqa: PTH208
    assert {"out", "loop"} <= links(mirror)
    mirror.withdraw("out/x")
    mirror.clear("out/x")
    Path("out/x").write_text("made")
    assert (tmp_path / "outside/x").read_text() == "mine"


def test_who_walks_without_following_links_finds_everything(mirror: Mirror) -> None:
    make_large(mirror, "data")
    mirror.lay()
    watching = watch.watch(mirror)
    found = {os.path.join(folder, name) for folder, _, names in os.walk(".") for name in names}  # noqa: PTH118
    assert {"./data/deep/c.txt", "./other/d.txt"} <= found
    assert {"", "data", "data/deep", "other"} <= watching.listed


def test_who_goes_into_a_folder_is_in_the_mirror(mirror: Mirror) -> None:
    make_large(mirror, "data")
    mirror.lay()
    watch.watch(mirror)
    os.chdir("data/deep")
    assert Path.cwd() == Path(mirror.root, "data/deep")


def test_what_was_opened_is_known_and_what_was_written_is_not(mirror: Mirror) -> None:
    mirror.lay()
    watching = watch.watch(mirror)
    Path("a.txt").read_text()
    with open("data/b.txt", "rb"):  # noqa: PTH123
        pass
    Path("made").write_text("")
    assert watching.opened == {"a.txt", "data/b.txt"}


def test_a_link_has_its_files_time(mirror: Mirror) -> None:
    os.utime(Path(mirror.of, "a.txt"), (1, 1))
    mirror.lay()
    assert os.lstat("a.txt").st_mtime == 1


def test_a_path_of_which_nothing_is_there_is_not_looked_for_folder_by_folder(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a rule's pattern fits its own input, Snakemake asks for thousands of such: in/in/in/…/a.csv."""
    mirror.lay()
    looked_at: list[str] = []
    look = os.lstat

    def lstat(path: str) -> os.stat_result:
        looked_at.append(path)
        return look(path)

    monkeypatch.setattr(os, "lstat", lstat)
    assert mirror.withdraw(f"data/{'in/' * 100}a.csv") is None
    assert [path.count("/in") for path in looked_at if path.count("/in") not in {1, 100}] == []
    assert len(looked_at) <= 3
