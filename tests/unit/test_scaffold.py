"""A new workflow folder: all of its files or none, over nobody's, and of one piece with each other."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import jsonschema
import pytest
import yaml

from byok8s.errors import InputError
from byok8s.scaffold import write
from byok8s.scaffold.messages import told
from byok8s.scaffold.write import CI, TEMPLATE, make, package_name

ROOT = Path(__file__).parents[2]
FILES = {
    ".github/workflows/test.yml",
    ".gitignore",
    "README.md",
    "Snakefile",
    "params-large.yaml",
    "params-small.yaml",
    "params.schema.yaml",
    "scripts/count_kmers.py",
    "scripts/make_reads.py",
    "scripts/report.py",
    "tests/test_workflow.py",
    "workflow-all.yaml",
}


def tree(folder: Path) -> dict[str, bytes | None]:
    """All below a folder, with the content of what is a file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def command(*arguments: str, cwd: Path, file_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """byok8s init. file_bytes: how much the system lets it write to a file."""

    def limit() -> None:
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    return subprocess.run(
        [sys.executable, "-B", "-m", "byok8s", "init", *arguments],
        cwd=cwd,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", [".", "kmers", "deep/er/kmers"])
def test_a_folder_is_filled_and_made_where_it_is_missing(name: str, tmp_path: Path) -> None:
    made = make(tmp_path / name)
    assert {path.as_posix() for path in made.files} == FILES
    assert {name for name, content in tree(made.folder).items() if content is not None} == FILES
    assert made.folder == (tmp_path / name).resolve()
    for file in FILES - {"README.md"}:
        assert (made.folder / file).read_bytes() == (TEMPLATE / file).read_bytes()


def test_the_readme_has_the_folders_name_and_its_table_has_the_files(tmp_path: Path) -> None:
    readme = (make(tmp_path / "Gut Flora").folder / "README.md").read_text()
    assert readme.startswith("# Gut Flora\n")
    assert "byok8s package . --name gut-flora\n" in readme
    assert "$" not in readme
    rows = [line.split("|")[1] for line in readme.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(.+?)`", " ".join(rows))) == {
        file for file in FILES if not file.startswith("scripts/") and file not in {"README.md", ".gitignore"}
    }


@pytest.mark.parametrize(
    ("folder", "package"),
    [("kmers", "kmers"), ("Gut Flora_2", "gut-flora-2"), ("-x-", "x"), ("été", "t"), ("日本", "workflow")],
)
def test_the_name_of_the_package(folder: str, package: str) -> None:
    assert package_name(folder) == package


def test_a_folder_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    made = make(tmp_path / "a\udcffb")
    assert (made.folder / "README.md").read_text().startswith("# a?b\n")


def test_other_files_in_the_folder_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "mine.py").write_text("mine")
    (tmp_path / "LICENSE").write_text("mine, too")
    make(tmp_path)
    after = tree(tmp_path)
    assert (after["scripts/mine.py"], after["LICENSE"]) == (b"mine", b"mine, too")
    assert set(after) >= FILES


@pytest.mark.parametrize(
    ("there", "named"),
    [
        (["Snakefile"], "Snakefile"),
        (["workflow-all.yaml", "README.md", "scripts/report.py"], "README.md, scripts/report.py, workflow-all.yaml"),
        (["scripts"], "scripts"),
        ([".github", ".gitignore"], ".github, .gitignore"),
    ],
)  # fmt: skip
def test_nothing_is_written_where_one_of_the_files_is_there(
    there: Iterable[str], named: str, tmp_path: Path
) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("theirs")
    before = tree(tmp_path)
    with pytest.raises(InputError) as caught:
        make(tmp_path)
    assert caught.value.where == f"In {tmp_path}: {named}."
    assert tree(tmp_path) == before


def test_a_link_to_nothing_and_a_folder_are_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "README.md").symlink_to("nowhere")
    (tmp_path / "Snakefile").mkdir()
    with pytest.raises(InputError, match=r"README\.md, Snakefile\."):
        make(tmp_path)
    assert set(tree(tmp_path)) == {"README.md", "Snakefile"}


def test_a_file_that_comes_while_others_are_written_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(folder: Path, paths: Iterable[Path]) -> list[Path]:
        found = look_before(folder, paths)
        (folder / "params-small.yaml").write_text("theirs")
        return found

    look_before = write._in_the_way
    monkeypatch.setattr(write, "_in_the_way", look)
    with pytest.raises(InputError, match="File exists"):
        make(tmp_path)
    assert tree(tmp_path) == {"params-small.yaml": b"theirs"}


@pytest.mark.parametrize("file_bytes", [0, 1000], ids=["no byte", "no large file"])
@pytest.mark.parametrize("name", [".", "new/kmers"])
def test_what_was_made_is_removed_where_not_all_can_be_written(
    name: str, file_bytes: int, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")
    done = command(name, cwd=tmp_path, file_bytes=file_bytes)
    assert done.returncode == 2
    assert done.stderr.startswith("byok8s: The workflow's files cannot be written: File too large.\n")
    assert len(done.stderr.splitlines()) <= 4
    assert done.stdout == ""
    assert tree(tmp_path) == {"mine": b"mine"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine", "/mine is no folder."),
        ("mine/new", "/mine is no folder."),
        ("loop", "/loop is no folder."),
        ("/proc/kmers", "The workflow's files cannot be written: No such file or directory.\n  At /proc/kmers."),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    done = command(name, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert set(tree(tmp_path)) == {"mine", "loop"}


def test_what_is_told_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "\n    cd 'gut flora'\n" in told(make(Path("gut flora")), Path("gut flora"))
    Path("here").mkdir()
    monkeypatch.chdir("here")
    assert "    cd " not in told(make(Path()), Path())


@pytest.mark.parametrize(
    ("top", "folder", "below"),
    [
        (None, "kmers", None),
        ("kmers", "kmers", None),
        (".", "kmers", "kmers"),
        (".", "work/gut flora", "work/gut flora"),
        ("other", "kmers", None),
    ],
)
def test_where_github_does_not_look_it_is_said(
    top: str | None, folder: str, below: str | None, tmp_path: Path
) -> None:
    if top:
        subprocess.run(["git", "init", "--quiet", tmp_path / top], check=True)
    made = make(tmp_path / folder)
    said = told(made, Path(folder))
    advice = re.search(r"^    (defaults: .*)$", said, re.MULTILINE)
    assert (advice is None) == (below is None)
    if advice:
        moved = yaml.safe_load(f"{(made.folder / CI).read_text()}\n{advice[1]}")
        assert moved["defaults"] == {"run": {"working-directory": below}}
        assert f"to the same place in {tmp_path}," in said


def test_the_yaml_files_can_be_read_and_ci_runs_the_test() -> None:
    workflow = yaml.safe_load((TEMPLATE / "workflow-all.yaml").read_text())
    assert set(workflow) == {"workflow_target", "description"}
    ci = yaml.safe_load((TEMPLATE / CI).read_text())
    assert ci[True] == ["push", "pull_request"]  # YAML 1.1 reads `on` as true; GitHub does not
    assert [step["run"] for step in ci["jobs"]["test"]["steps"] if "run" in step] == [
        'pip install "byok8s[local]" pytest',
        "python -m pytest",
    ]


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    content = yaml.safe_load((TEMPLATE / "params.schema.yaml").read_text())
    assert content["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


@pytest.mark.parametrize("name", ["small", "large"])
def test_a_params_file_is_as_its_schema_says(name: str, schema: jsonschema.Draft202012Validator) -> None:
    params = yaml.safe_load((TEMPLATE / f"params-{name}.yaml").read_text())
    assert [*schema.iter_errors(params)] == []


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"samples": []}, {"samples": ["a/b"]}, {"samples": ["a", "a"]}, {"reads": "many"}, {"kk": 3}],
    ids=str,
)  # fmt: skip
def test_what_the_schema_refuses(wrong: dict[str, object], schema: jsonschema.Draft202012Validator) -> None:
    params = yaml.safe_load((TEMPLATE / "params-small.yaml").read_text())
    assert len([*schema.iter_errors(params | wrong)]) == 1


def test_the_schema_documents_what_the_snakefile_uses(schema: jsonschema.Draft202012Validator) -> None:
    used = set(re.findall(r'config\["(\w+)"\]', (TEMPLATE / "Snakefile").read_text()))
    assert used == set(schema.schema["properties"]) == set(schema.schema["required"])
    assert all(entry["description"] for entry in schema.schema["properties"].values())


def test_the_quickstart_shows_what_is_said(tmp_path: Path) -> None:
    said = command("kmers", cwd=tmp_path).stdout.replace(str(tmp_path), "/home/ada")
    assert f"```text\n{said}```\n" in (ROOT / "docs" / "quickstart.md").read_text()


def test_a_wheel_brings_all_files(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    under = "byok8s/scaffold/template/"
    names = zipfile.ZipFile(wheel).namelist()
    brought = {name.removeprefix(under) for name in names if name.startswith(under)}
    assert brought == FILES
