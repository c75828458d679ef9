"""How a directory is told by its keys in a bucket."""

from __future__ import annotations

from snakemake_storage_plugin_byok8s.facts import Facts
from snakemake_storage_plugin_byok8s.tree import directory, mark, surplus


def test_a_directory_is_as_new_as_its_newest_file_and_none_while_it_is_marked() -> None:
    files = {"made/a": Facts(3, 10), "made/deep/b": Facts(5, 20), "made/empty/": Facts(4, 0)}
    assert directory("made", files) == Facts(5, 30, is_dir=True)
    assert directory("made", {**files, mark("made"): Facts(6, 0)}) is None
    assert directory("made", {}) is None
    # that of a folder inside of it is not its own
    assert directory("made", {**files, mark("made/deep"): Facts(6, 0)})


def test_what_is_of_an_older_one_is_removed_and_last_the_mark() -> None:
    there = ["made/old", "made/a", "made/empty/", mark("made"), "made/deep/"]
    assert surplus("made", there, ["a", "empty/", "new"]) == ["made/deep/", "made/old", mark("made")]
    assert surplus("made", [], ["a"]) == [mark("made")]
