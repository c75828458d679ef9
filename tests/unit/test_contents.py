"""What patterns name, and where a bucket's files may go."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from byok8s.data import fetch
from byok8s.data.contents import Entry, chosen
from byok8s.errors import InputError


def test_what_only_a_run_needs_is_not_loaded_for_it() -> None:
    code = "import sys, byok8s.view, byok8s.data.contents; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {"byok8s.request", "byok8s.software.channels", "byok8s.schema"} & set(loaded.split())


def entries(*paths: str) -> list[Entry]:
    return [Entry(path, f"prefix/{path}", 1, datetime.now(UTC), "") for path in paths]


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("a", ["a", "a/b", "a/c/d"]),
        ("a/*", ["a/b", "a/c/d"]),
        ("a/?", ["a/b", "a/c/d"]),
        ("**/d", ["a/c/d", "d"]),
        ("*", ["a", "a/b", "a/c/d", "d", "e.f"]),
        ("e.f", ["e.f"]),
        ("e?f", ["e.f"]),
        ("a**d", ["a/c/d"]),
    ],
)
def test_patterns(pattern: str, named: list[str]) -> None:
    assert [entry.path for entry in chosen(entries("e.f", "d", "a/c/d", "a/b", "a"), [pattern])] == named


@pytest.mark.parametrize("pattern", ["e.", ".f", "eXf", "b", "a/b/c", "[a]", "A"])
def test_patterns_that_name_nothing(pattern: str) -> None:
    with pytest.raises(InputError, match="Nothing in the bucket is named"):
        chosen(entries("e.f", "a/b", "a"), [pattern])


def test_paths_within_the_folder(tmp_path: Path) -> None:
    found = fetch.places(entries("a", "b/c", "d//e"), tmp_path / "new")
    assert [str(wanted.path.relative_to(tmp_path)) for wanted in found] == ["new/a", "new/b/c", "new/d/e"]
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("path", ["../evil", "a/../../evil", "/../evil", "a\0b", ".."])
def test_a_key_that_would_lead_out_of_the_folder(path: str, tmp_path: Path) -> None:
    """Whoever may write to the bucket may choose any name."""
    with pytest.raises(InputError, match="cannot be put into a folder"):
        fetch.places(entries("a", path), tmp_path)


def test_a_file_and_a_folder_of_the_same_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'a' is a file, and the folder of 'a/b', too"):
        fetch.places(entries("a/b", "a"), tmp_path)


def test_names_that_a_file_system_takes_for_the_same(tmp_path: Path) -> None:
    assert len(fetch.places(entries("a", "A"), tmp_path)) == 2
    with pytest.raises(InputError, match="'a' and 'A' cannot both be in this folder"):
        fetch._check_clashes(fetch.places(entries("a", "A"), tmp_path), str.casefold)
