"""The files below a folder that others change while it is looked through."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from byok8s.workspace import walk
from folders import write_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path, {"a": "1", "b": "22", "sub/c": "333", "sub/deep/d": "4444"})
    return tmp_path


def test_each_file_has_its_size(folder: Path) -> None:
    sizes = {path.relative_to(folder).as_posix(): status.st_size for path, status in walk.files(folder)}
    assert sizes == {"a": 1, "b": 2, "sub/c": 3, "sub/deep/d": 4}


def test_of_a_folder_that_is_not_there_there_are_none(folder: Path) -> None:
    assert list(walk.files(folder / "none")) == []


def test_what_goes_in_the_meantime_is_left_out(folder: Path) -> None:
    found = walk.files(folder)
    first, _ = next(found)
    for path in {folder / "a", folder / "b"} - {first}:
        path.unlink()
    shutil.rmtree(folder / "sub")
    assert list(found) == []


def test_links_to_folders_are_not_followed_and_those_to_nothing_are_no_files(folder: Path) -> None:
    (folder / "up").symlink_to(folder)
    (folder / "nothing").symlink_to(folder / "none")
    assert {path.name for path, _ in walk.files(folder)} == {"a", "b", "c", "d"}
