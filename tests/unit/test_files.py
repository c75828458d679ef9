"""Users' JSON and YAML files: found by name or stem, and every fault said with its place."""

from pathlib import Path

import pytest

from byok8s import files
from byok8s.errors import InputError


@pytest.mark.parametrize("name", ["wf.json", "wf", "sub/wf", "sub/wf.yaml", "other"])
def test_a_file_or_its_stem_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    for path in ("wf.json", "sub/wf.yaml", "other.yml"):
        Path(path).touch()
    assert files.find("workflow file", name).is_file()
    assert files.find("workflow file", str(tmp_path / name)).is_file()


def test_json_comes_before_yaml_and_the_exact_name_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("wf.json", "wf.yaml", "plain", "plain.json"):
        Path(path).touch()
    assert files.find("workflow file", "wf").name == "wf.json"
    assert files.find("workflow file", "plain").name == "plain"


def test_every_place_looked_at_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        files.find("params file", "sub/blue")
    for place in ("sub/blue,", "sub/blue.json", "sub/blue.yaml", "sub/blue.yml", str(tmp_path)):
        assert place in caught.value.where


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", '{\n  "name": blue\n}', "not valid JSON: Expecting value at line 2, column 11"),
        ("a.json", '["x"]', "must hold names and values, but holds a list"),
        ("a.yaml", "name: [blue\nother: 1\n", "not valid YAML"),
        ("a.yaml", "a: b: c\n", "at line 1, column 5"),
        ("a.yml", "just words\n", "holds a text"),
        ("a.json", b"\xff\xfe", "cannot be read"),
    ],
)
def test_faults_are_said_with_line_and_column(
    name: str, content: str | bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        files.load(path)
    assert words in caught.value.what
    assert str(path) in caught.value.where


@pytest.mark.parametrize("name", ["empty.json", "empty.yaml"])
def test_an_empty_file_holds_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert files.load(tmp_path / name) == {}
