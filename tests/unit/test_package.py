"""What is packaged, what is refused and by which name, and that the project is whole and always the same."""

import json
import os
import stat
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from byok8s.errors import InputError
from byok8s.package import catalogue, contents
from byok8s.package.make import make
from byok8s.package.names import check_name, check_version
from byok8s.package.parse import parse

RULE = "rule t:\n    output: 'a'\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workflow; the working folder is above it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "wf"
    write(folder, "Snakefile", RULE + "    shell: 'touch {output}'\n")
    write(folder, "workflow-t.yaml", "workflow_target: t\ndescription: All of it\n")
    write(folder, "params-p.yaml", "# The parameters\n# of the paper.\n\n# another\nname: blue\n")
    return folder


def write(folder: Path, name: str, content: str | bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def package(folder: Path, output: str = "out", exclude: Sequence[str] = (), *, force: bool = False) -> Path:
    return make(folder, "bananas", "1.0", Path(output), exclude, force=force)[1]


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("given", "distribution", "module"),
    [("bananas", "bananas", "bananas"), ("Dahak_Taco", "dahak-taco", "dahak_taco"), ("a.b", "a-b", "a_b")],
)
def test_names(given: str, distribution: str, module: str) -> None:
    name = check_name(given)
    assert (name.distribution, name.module) == (distribution, module)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "A name has letters"),
        ("ba nanas", "A name has letters"),
        ("bananas!", "A name has letters"),
        ("../bananas", "A name has letters"),
        ("-x", "A name has letters"),
        ("bananä", "A name has letters"),
        ("1st", "cannot import '1st'"),
        ("class", "cannot import 'class'"),
        ("byok8s", "byok8s' or Snakemake's own"),
        ("BYOK8S", "byok8s' or Snakemake's own"),
        ("snakemake", "byok8s' or Snakemake's own"),
        ("snakemake-executor-plugin-mine", "byok8s' or Snakemake's own"),
        ("json", "a module of Python's own"),
        ("boto3", "a module that byok8s or Snakemake needs"),
        ("jp.py", ""),
    ],
)
def test_names_that_are_refused(given: str, why: str) -> None:
    if not why:
        assert check_name(given).distribution == "jp-py"
        return
    with pytest.raises(InputError) as refused:
        check_name(given)
    assert why in str(refused.value)
    assert repr(given) in str(refused.value)


def test_a_command_of_another_package_is_refused() -> None:
    with pytest.raises(InputError, match="a command of importlinter"):
        check_name("lint-imports")


@pytest.mark.parametrize(("given", "version"), [("1.0", "1.0"), ("v1.2", "1.2"), ("2.0-rc1", "2.0rc1")])
def test_versions(given: str, version: str) -> None:
    assert check_version(given) == version


def test_a_version_that_is_none() -> None:
    with pytest.raises(InputError, match="'new' cannot be the version"):
        check_version("new")


def test_the_project_has_the_workflow_and_what_is_around_it(folder: Path) -> None:
    for name in (
        "scripts/run.sh",
        ".hidden",
        ".snakemake/log",
        "scripts/__pycache__/a.pyc",
        "LICENSE",
        "big.bam",
    ):
        write(folder, name, name)
    (folder / "scripts/run.sh").chmod(0o700)
    (folder / "link").symlink_to("scripts/run.sh")
    made = tree(package(folder, exclude=["*.bam"]))
    within = "src/bananas/workflow/"
    assert {name.removeprefix(within) for name in made if name.startswith(within)} == {
        *("LICENSE", "Snakefile", "link", "params-p.yaml", "scripts/run.sh", "workflow-t.yaml"),
    }
    assert made[f"{within}scripts/run.sh"] == (b"scripts/run.sh", 0o755)
    assert made[f"{within}link"] == (b"scripts/run.sh", 0o755)
    project = tomllib.loads(made["pyproject.toml"][0].decode())["project"]
    assert (project["name"], project["version"]) == ("bananas", "1.0")
    assert project["license-files"] == ["LICENSE"]
    assert project["scripts"] == {"bananas": "bananas.__main__:main"}
    assert "| `workflow-t` | All of it |" in made["README.md"][0].decode()
    compile(made["tests/test_bananas.py"][0], "test_bananas.py", "exec")
    assert b'("workflow-t", "params-p")' in made["tests/test_bananas.py"][0]


def test_twice_gives_the_same_bytes_whatever_the_times_and_the_umask(folder: Path) -> None:
    first = tree(package(folder))
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    before = os.umask(0o077)
    try:
        assert tree(package(folder, "again")) == first
    finally:
        os.umask(before)


def test_a_folder_that_is_there_stays_unless_it_is_a_package_and_that_is_said(folder: Path) -> None:
    place = package(folder)
    with pytest.raises(InputError, match="is there already"):
        package(folder)
    write(folder, "new.txt", "new")
    (place / "src/bananas/workflow/params-p.yaml").unlink()
    made = tree(package(folder, force=True))
    assert {"src/bananas/workflow/new.txt", "src/bananas/workflow/params-p.yaml"} <= set(made)
    write(Path("mine"), "file", "mine")
    with pytest.raises(InputError, match="was not made by"):
        package(folder, "mine", force=True)
    assert tree(Path("mine")) == {"file": (b"mine", 0o644)}
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_a_package_in_the_folder_itself_is_not_packaged_again(folder: Path) -> None:
    first = tree(package(folder, "wf/bananas"))
    assert tree(package(folder, "wf/bananas", force=True)) == first


def test_what_git_ignores_is_left_out(folder: Path) -> None:
    for name in (".gitignore", "results/a.bam", "kept"):
        write(folder, name, "results/\n")
    os.system(f"git -C {folder} init -q")
    assert Path("kept") in contents.choose(folder, [])
    assert Path("results/a.bam") not in contents.choose(folder, [])


def test_what_a_folder_holds() -> None:
    seed = Path(__file__).parents[2] / "examples" / "seed"
    found = catalogue.read(seed, [path.relative_to(seed) for path in seed.glob("*")])
    assert [entry.name for entry in found.workflows] == ["workflow-alpha", "workflow-gamma", "workflow-zeta"]
    assert found.workflows[0].description == "makes target1"
    assert [entry.name for entry in found.params] == ["params-blue", "params-red"]


def test_which_files_are_workflows_and_which_params(folder: Path) -> None:
    for name, content in {
        "params.schema.yaml": "type: object",
        "config/deep.yml": "a: 1",
        "config/broken.yml": "a: [",
        "other.yaml": "a: 1",
        "params-list.yaml": "[1]",
        "workflows/more.json": json.dumps({"workflow_target": ["x", "y"]}),
        "data/params-x.json": "{}",
        "wrong.yaml": "workflow_target: t\nunknown: 1\n",
    }.items():
        write(folder, name, content)
    found = catalogue.read(folder, contents.choose(folder, []))
    assert [entry.name for entry in found.workflows] == ["workflow-t", "workflows/more"]
    assert [(entry.name, entry.description) for entry in found.params] == [
        ("config/deep", ""),
        ("params-p", "The parameters of the paper."),
    ]


@pytest.mark.parametrize(
    ("snakefile", "named", "why"),
    [
        ("rule t:\n    shel: 'x'\n", "Unexpected keyword shel in rule definition", "line 2"),
        ("def f(:\n", "Snakemake cannot read Snakefile", ""),
        ("include: 'rules/missing.smk'\n", "rules/missing.smk", "No such file"),
        ("include: '../outside.smk'\n", "outside.smk", "lies outside of"),
        ("include: '{folder}/more.smk'\n", "/wf/more.smk cannot", "absolute path"),
        (RULE + "    script: '../outside.py'\n", "outside.py", "lies outside of"),
        (RULE + "    script: '/opt/fixed.py'\n", "/opt/fixed.py", "lies outside of"),
        (RULE + "    script: '{folder}/more.py'\n", "/wf/more.py cannot", "absolute path"),
        (RULE + "    script: 'missing.py'\n", "missing.py", "is not there"),
        (RULE + "    script: '.hidden.py'\n", ".hidden.py", "is hidden"),
        (RULE + "    conda: '../outside.yaml'\n    shell: ''\n", "outside.yaml", "lies outside of"),
        (RULE + "    input: '/data/reads.fq'\n", "input /data/reads.fq of rule t", "a fixed place"),
        ("configfile: '../outside.yaml'\n" + RULE, "outside.yaml", "lies outside of"),
        ("open('.hidden.py')\n", ".hidden.py", "not from a copy"),
        ("x = config['missing']\n", "with params-p.yaml", "KeyError: 'missing'"),
        ("raise SystemExit(3)\n", "Snakemake cannot read Snakefile", "SystemExit: 3"),
        ("import os; os._exit(3)\n", "Snakemake cannot read Snakefile", "exit code 3"),
    ],
)
def test_what_a_snakefile_names_and_cannot_be_packaged(
    snakefile: str, named: str, why: str, folder: Path
) -> None:
    write(folder, "Snakefile", snakefile.format(folder=folder, output="{output}"))
    for name in ("../outside.smk", "../outside.py", "../outside.yaml", "more.smk", "more.py", ".hidden.py"):
        write(folder, name, "a: 1\n" if name.endswith("yaml") else "")
    with pytest.raises(InputError) as refused:
        package(folder)
    assert named in str(refused.value)
    assert why in str(refused.value)
    assert not Path("out").exists()


def test_a_link_to_outside_is_refused_by_name(folder: Path) -> None:
    write(folder, "../outside", "x")
    (folder / "link").symlink_to("../outside")
    with pytest.raises(InputError, match=r"link cannot be packaged.*outside.*--exclude 'link'"):
        package(folder)
    assert "src/bananas/workflow/link" not in tree(package(folder, exclude=["link"]))


def test_a_file_that_pods_cannot_be_given_is_refused_by_name(folder: Path) -> None:
    write(folder, "scripts/big.bin", os.urandom(17_000_000))
    with pytest.raises(InputError, match=r"pods can be given 16 MB.*largest is scripts/big.bin, 17 MB"):
        package(folder)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        ("Snakefile", "no Snakefile"),
        ("workflow-t.yaml", "no workflow file"),
        ("", "no folder 'none' to package"),
    ],
)
def test_a_folder_without_a_workflow(gone: str, why: str, folder: Path) -> None:
    if gone:
        (folder / gone).unlink()
    with pytest.raises(InputError, match=why):
        package(folder if gone else Path("none"))


def test_a_workflow_that_is_called_like_a_command(folder: Path) -> None:
    (folder / "workflow-t.yaml").rename(folder / "list.yaml")
    with pytest.raises(InputError, match="'list' is a command of every package"):
        package(folder)


def test_the_first_params_with_which_it_can_be_read_count(folder: Path) -> None:
    write(folder, "Snakefile", "config['name']\n" + RULE)
    write(folder, "params-a.yaml", "other: 1\n")
    assert parse(folder, Path("Snakefile"), [folder / "params-a.yaml", folder / "params-p.yaml"]).sources


def test_bundled_params_that_break_the_schema_are_refused_with_every_fault(folder: Path) -> None:
    write(folder, "params.schema.yaml", "properties: {name: {type: integer}}\nrequired: [depth]\n")
    with pytest.raises(InputError, match=r"(?s)params-p.yaml does not fit params.schema.yaml.*depth:.*name:"):
        package(folder)
