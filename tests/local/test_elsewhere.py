"""A Snakefile from a git repository, run on this machine."""

import shutil
import sys
from pathlib import Path

import pytest

from flow import FLOW
from folders import clean_environment, run_in
from repository import Repository

OUT = Path(".byok8s", "results", "out.txt")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository.create(tmp_path / "flow")
    repository.commit(FLOW, tag="v1")
    return repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def byok8s(folder: Path, *arguments: str, expect: int = 0) -> str:
    environment = clean_environment() | {"XDG_CACHE_HOME": str(folder.parent / "cache")}
    return run_in(folder, [sys.executable, "-m", "byok8s", *arguments, "--local"], environment, expect)


def test_it_is_fetched_once_pinned_by_its_commit_and_run_from_any_folder(
    repository: Repository, folder: Path
) -> None:
    where = f"git+{repository.folder}@v1"
    commit = repository.git("rev-parse", "v1")
    said = byok8s(folder, "workflow-all", "params-theirs", "-s", where)
    assert f"Fetching {repository.folder} at v1" in said
    assert f"snakefile: workflow/Snakefile of {where} (commit {commit})\n" in said
    assert (folder / OUT).read_text() == "one theirs\n"
    shutil.rmtree(repository.folder)
    said = byok8s(folder, "workflow-all", "params-theirs", "-s", where)
    assert "Fetching" not in said
    assert "Nothing to be done" in said
    assert sorted(path.name for path in folder.iterdir()) == [".byok8s", ".snakemake"]


def test_the_users_params_come_first_and_the_users_snakefile_does_not_count(
    repository: Repository, folder: Path
) -> None:
    (folder / "params-theirs.yaml").write_text("name: mine\n")
    (folder / "workflow").mkdir()
    (folder / "workflow" / "Snakefile").write_text("raise ValueError\n")
    byok8s(folder, "workflow-all", "params-theirs", "-s", f"git+{repository.folder}@v1")
    assert (folder / OUT).read_text() == "one mine\n"


def test_a_workflow_file_may_name_the_repository(repository: Repository, folder: Path) -> None:
    (folder / "wf.yaml").write_text(f"workflow_target: all\nsnakefile: git+{repository.folder}@v1\n")
    (folder / "params.yaml").write_text("name: mine\n")
    assert "workflow/Snakefile of git+" in byok8s(folder, "wf", "params", "-n")
    byok8s(folder, "wf", "params")
    assert (folder / OUT).read_text() == "one mine\n"


def test_another_commit_makes_again_what_has_changed(repository: Repository, folder: Path) -> None:
    byok8s(folder, "workflow-all", "params-theirs", "-s", f"git+{repository.folder}@v1")
    make = FLOW["workflow/scripts/make.py"].replace("print(words", 'print("now", words')
    commit = repository.commit({"workflow/scripts/make.py": make})
    where = f"git+{repository.folder}@{commit}"
    assert "made" in byok8s(folder, "workflow-all", "params-theirs", "-s", where, "-n")
    said = byok8s(folder, "workflow-all", "params-theirs", "-s", where)
    assert f"snakefile: workflow/Snakefile of {where}\n" in said
    assert (folder / OUT).read_text() == "now one theirs\n"


def test_a_folder_that_is_a_link_within_the_repository(repository: Repository, folder: Path) -> None:
    (repository.folder / "linked").symlink_to("workflow/scripts")
    (repository.folder / "workflow" / "up").symlink_to("..")
    make = 'rule made:\n    output: "out.txt"\n    script: "../../linked/make.py"\n'
    repository.commit({"workflow/rules/more.smk": make}, tag="v2")
    byok8s(folder, "workflow-all", "params-theirs", "-s", f"git+{repository.folder}@v2")
    assert (folder / OUT).read_text() == "one theirs\n"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("git+{there}@v9", "There is no tag 'v9' in"),
        ("git+{there}-none@v1", "cannot be fetched"),
        ("git+{there}@main", "a branch moves"),
        ("git+{there}", "tag or a commit"),
        ("git+{there}@v1#none.smk", "There is no none.smk in"),
        ("https://example.org/ada/flow@v1", "A git repository is named git+https://example.org/ada/flow@v1"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_made(
    where: str, words: str, repository: Repository, folder: Path
) -> None:
    where = where.format(there=repository.folder)
    for name in ("workflow-all.yaml", "params-theirs.yaml"):
        (folder / name).write_text(FLOW[name])
    said = byok8s(folder, "workflow-all", "params-theirs", "-s", where, expect=2)
    assert words in " ".join(said.split())
    assert sorted(path.name for path in folder.iterdir()) == ["params-theirs.yaml", "workflow-all.yaml"]


def test_its_schema_is_its_own(repository: Repository, folder: Path) -> None:
    schema = "properties: {name: {type: string, description: Whose}, size: {type: integer, default: 3}}\n"
    make = FLOW["workflow/scripts/make.py"].replace('["name"]', '["size"]')
    repository.commit({"params.schema.yaml": schema, "workflow/scripts/make.py": make}, tag="v3")
    (folder / "params.schema.yaml").write_text("properties: {name: {type: integer}}\n")
    where = f"git+{repository.folder}@v3"
    byok8s(folder, "workflow-all", "params-theirs", "-s", where)
    assert (folder / OUT).read_text() == "one 3\n"
    (folder / "params-theirs.yaml").write_text("name: 7\n")
    said = byok8s(folder, "workflow-all", "params-theirs", "-s", where, expect=2)
    assert "name: 7 is not of type 'string'" in said
