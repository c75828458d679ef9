"""Which files and targets the words of a command line name."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.named import named

FILES = {
    "wf.json": '{"workflow_target": "t"}',
    "bare.yaml": "jobs: 3",
    "blue.json": '{"name": "blue"}',
    "empty.yaml": "",
    "results/a.json": "{}",
    "results/b.txt": "b",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content)


@pytest.mark.parametrize("snakefile", [False, True])
@pytest.mark.parametrize(
    ("words", "workflow", "params", "targets"),
    [
        ("", None, None, ""),
        ("wf", "wf.json", None, ""),
        ("wf blue", "wf.json", "blue.json", ""),
        ("wf.json blue.json x y", "wf.json", "blue.json", "x y"),
        ("wf - x", "wf.json", None, "x"),
        ("bare blue x", "bare.yaml", "blue.json", "x"),
        ("bare -", "bare.yaml", None, ""),
        ("empty blue x", "empty.yaml", "blue.json", "x"),
        ("blue", None, "blue.json", ""),
        ("empty", None, "empty.yaml", ""),
        ("- bare", None, "bare.yaml", ""),
        ("- blue x", None, "blue.json", "x"),
        ("- - blue", None, None, "blue"),
        ("-", None, None, ""),
    ],
)
def test_what_is_named(
    words: str, workflow: str | None, params: str | None, targets: str, *, snakefile: bool
) -> None:
    found = named(words.split(), None, snakefile=snakefile)
    assert found.workflow == (Path(workflow).resolve() if workflow else None)
    assert found.params == (Path(params).resolve() if params else None)
    assert found.targets == tuple(targets.split())


@pytest.mark.parametrize(
    ("words", "params", "targets"),
    [
        ("all", None, "all"),
        ("all results/a.json", None, "all results/a.json"),
        ("results/b.txt", None, "results/b.txt"),
        ("blue x y", "blue.json", "x y"),
        ("blue.json results/a.json", "blue.json", "results/a.json"),
        ("- - results/a.json", None, "results/a.json"),
    ],
)
def test_with_a_snakefile_words_are_targets(words: str, params: str | None, targets: str) -> None:
    found = named(words.split(), None, snakefile=True)
    assert found.workflow is None
    assert found.params == (Path(params).resolve() if params else None)
    assert found.targets == tuple(targets.split())


@pytest.mark.parametrize(
    ("words", "snakefile", "what", "hint"),
    [
        ("no-such blue", False, "There is no workflow file 'no-such'", "without .json"),
        ("no-such", False, "no workflow file or params file 'no-such'", "byok8s -s Snakefile no-such"),
        ("results/b.txt", False, "neither a workflow file nor a params file", "byok8s -s results/b.txt"),
        ("wf no-such", True, "There is no params file 'no-such'", "byok8s wf - TARGET"),
        ("wf no-such", False, "There is no params file 'no-such'", "byok8s wf - TARGET"),
        ("blue x", False, "There is no params file 'x'", "byok8s - blue x"),
        ("blue wf", False, "The workflow file comes first", "byok8s wf blue"),
        ("bare", False, "can be a workflow file or a params file", "byok8s bare -"),
        ("bare x", True, "can be a workflow file or a params file", "byok8s - bare"),
        ("x blue", True, "'blue' is a target where it stands", "byok8s -s SNAKEFILE - - x blue"),
        ("blue x wf", True, "'wf' is a target where it stands", "byok8s -s SNAKEFILE - blue x wf"),
    ],
)
def test_confusions(words: str, what: str, hint: str, *, snakefile: bool) -> None:
    with pytest.raises(InputError) as caught:
        named(words.split(), None, snakefile=snakefile)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_a_folder_elsewhere_comes_after_this_one(tmp_path: Path) -> None:
    elsewhere = tmp_path / "results"
    assert named(["a"], elsewhere, snakefile=False).params == (elsewhere / "a.json").resolve()
    assert named(["blue"], elsewhere, snakefile=False).params == Path("blue.json").resolve()
