"""A package as its user has it: installed in a clean environment, run from any folder, without a cluster."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from folders import write_files
from installed import Installed, build, install_beside

SEED = Path(__file__).parents[2] / "examples" / "seed"


def test_it_runs_from_an_empty_folder_and_a_second_time_there_is_nothing_to_do(
    bananas: Installed, tmp_path: Path
) -> None:
    said = bananas.run(tmp_path, "workflow-zeta", "params-blue", "--local")
    assert "snakefile: Snakefile of bananas 1.0" in said
    zeta = (tmp_path / ".byok8s/results/zeta.txt").read_text()
    assert zeta == "zeta a1 blue\nzeta a2 blue\nzeta b1 blue\nzeta b2 blue\nzeta blue\n"
    assert "Nothing to be done" in bananas.run(tmp_path, "workflow-zeta", "params-blue", "--local")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".byok8s", ".snakemake"]


def test_its_own_tests_pass(bananas: Installed) -> None:
    done = subprocess.run(
        [bananas.python, "-m", "pytest", "-q"],
        cwd=bananas.project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_it_tells_what_it_is_and_holds(bananas: Installed, tmp_path: Path) -> None:
    assert bananas.run(tmp_path, "--version") == "bananas 1.0 (byok8s 0.1.0)\n"
    listed = bananas.run(tmp_path, "list")
    for line in ("WORKFLOW", "workflow-alpha  makes target1", "PARAMS", "params-red"):
        assert line in listed.splitlines()
    assert bananas.run(tmp_path, "show", "params-red") == (SEED / "params-red.json").read_text()
    assert bananas.run(tmp_path, "show", "Snakefile") == (SEED / "Snakefile").read_text()
    assert "no file '../__init__.py' in bananas 1.0" in bananas.run(
        tmp_path, "show", "../__init__.py", expect=2
    )
    for words in ("bananas WORKFLOW PARAMS [TARGET...]", "list", "show"):
        assert words in bananas.run(tmp_path, "--help")
    assert "bananas run [OPTIONS] [WORKFLOW] [PARAMS] [TARGET]..." in bananas.run(tmp_path, "run", "--help")


def test_files_of_the_users_folder_win(bananas: Installed, tmp_path: Path) -> None:
    (tmp_path / "params-blue.json").write_text('{"name": "mine"}')
    assert "params-blue  (the one of this folder)" in bananas.run(tmp_path, "list").splitlines()
    bananas.run(tmp_path, "workflow-alpha", "params-blue", "--local")
    assert (tmp_path / ".byok8s/results/alpha.txt").read_text() == "alpha mine\n"
    (tmp_path / "Snakefile").write_text(
        "rule target1:\n    output: 'alpha.txt'\n    shell: 'echo mine > {output}'\n"
    )
    said = bananas.run(tmp_path, "workflow-alpha", "params-blue", "--local")
    assert "Snakefile of bananas 1.0 (but this folder's: Snakefile, params-blue.json)" in said
    assert (tmp_path / ".byok8s/results/alpha.txt").read_text() == "mine\n"


def test_a_dry_run_leaves_nothing_of_the_workflow(bananas: Installed, tmp_path: Path) -> None:
    said = bananas.run(tmp_path, "workflow-zeta", "params-blue", "--local", "-n")
    assert "zeta_second" in said
    assert not (tmp_path / ".byok8s" / "workflow").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("workflow-none", "params-blue"), "no workflow file 'workflow-none'"),
        (("workflow-alpha", "params-none"), "no params file 'params-none'"),
        (("workflow-alpha", "params-blue", "no-such-target"), "no-such-target"),
        (("workflow-alpha", "params-blue", "-s", "None"), "no Snakefile in bananas 1.0"),
    ],
)
def test_bad_input_is_said(
    arguments: tuple[str, ...], words: str, bananas: Installed, tmp_path: Path
) -> None:
    assert words in bananas.run(tmp_path, *arguments, "--local", expect=2)


def test_two_versions_on_one_machine(bananas: Installed, tmp_path: Path) -> None:
    """Each runs its own workflow, in the same folder too, where what has changed is made again."""
    changed = tmp_path / "changed"
    shutil.copytree(SEED, changed, ignore=shutil.ignore_patterns(".*"))
    snakefile = (changed / "Snakefile").read_text()
    (changed / "Snakefile").write_text(snakefile.replace("echo alpha", "echo ALPHA"))
    later = install_beside(bananas, changed, "bananas", "2.0", tmp_path / "later")
    folder = tmp_path / "empty"
    folder.mkdir()
    for installed, version, words in [
        (bananas, "1.0", "alpha"),
        (later, "2.0", "ALPHA"),
        (bananas, "1.0", "alpha"),
    ]:
        assert installed.run(folder, "--version") == f"bananas {version} (byok8s 0.1.0)\n"
        installed.run(folder, "workflow-alpha", "params-blue", "--local")
        assert (folder / ".byok8s/results/alpha.txt").read_text() == f"{words} blue\n"


def test_two_builds_are_the_same_wheel(bananas: Installed, tmp_path: Path) -> None:
    first, second = (build(SEED, "bananas", "1.0", tmp_path / place) for place in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as wheel:
        names = {name for name in wheel.namelist() if name.startswith("bananas/")}
    bundled = {f"bananas/workflow/{path.name}" for path in SEED.iterdir() if not path.name.startswith(".")}
    assert names == {"bananas/__init__.py", "bananas/__main__.py", *bundled}


def test_what_the_snakefile_reads_by_any_path_and_what_a_run_makes_here(
    tmp_path: Path, bananas: Installed
) -> None:
    """Relative to itself and relative to the working folder; a file on this machine comes to the user."""
    workflow = tmp_path / "deep"
    files = {
        "workflow/Snakefile": 'configfile: "config/config.yaml"\ninclude: "rules/more.smk"\n'
        'words = open("config/words.txt").read()\nmine = open("mine.txt").read() if exists("mine.txt") else ""\n'
        'rule all:\n    input: "out.txt"\n',
        "workflow/rules/more.smk": "from os.path import exists\nrule made:\n"
        '    output: "out.txt", local("here/made.txt")\n'
        '    params: there=workflow.source_path("../resources/there.txt")\n'
        '    shell: "cat {params.there} config/words.txt > {output[0]}; '
        "echo {config[name]} {config[size]} >> {output[0]}; "
        'cat mine.txt >> {output[0]}; echo made > {output[1]}"\n',
        "workflow/resources/there.txt": "there\n",
        "config/config.yaml": "name: default\nsize: 1\n",
        "config/words.txt": "words\n",
        "workflow-all.yaml": "workflow_target: all\n",
        "params-name.yaml": "name: given\n",
        "mine.txt": "theirs\n",
    }
    write_files(workflow, files)
    deep = install_beside(bananas, workflow, "deep", "1", tmp_path / "installed")
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine\n")
    deep.run(folder, "workflow-all", "params-name", "--local")
    assert (folder / ".byok8s/results/out.txt").read_text() == "there\nwords\ngiven 1\nmine\n"
    assert (folder / "here/made.txt").read_text() == "made\n"


def test_a_workflow_of_byok8s_init_is_packaged_with_its_schema(bananas: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "kmers"
    subprocess.run(
        [sys.executable, "-m", "byok8s", "init", str(folder)], check=True, stdout=subprocess.DEVNULL
    )
    kmers = install_beside(bananas, folder, "kmers", "1", tmp_path / "installed")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "params-small  Two small samples" in kmers.run(empty, "list")
    assert "required" in kmers.run(empty, "params")
    kmers.run(empty, "workflow-all", "params-small", "--local")
    assert (empty / ".byok8s/results/report.tsv").read_text().startswith("sample\treads")
    (empty / "params-mine.yaml").write_text("samples: 3\n")
    said = kmers.run(empty, "workflow-all", "params-mine", "--local", expect=2)
    assert "params-mine.yaml does not fit params.schema.yaml" in said
