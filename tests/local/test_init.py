"""A new workflow folder, used as its README and the command itself say, on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = "sample\treads\tkmers\tdistinct\tcommonest\ttimes\n"
SMALL = HEAD + "soil\t200\t7200\t980\tCCTTCATCTTCTCTT\t16\n" + "water\t200\t7200\t977\tAAAGTGCTAAACTGT\t14\n"


def environment() -> dict[str, str]:
    """This machine's, with the commands of this Python, and without a cluster, a bucket or keys."""
    ours = ("BYOK8S_", "AWS_ACCESS", "AWS_SECRET", "AWS_ENDPOINT", "KUBE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"KUBECONFIG": "/nonexistent", "PATH": path}


def shell(lines: str, cwd: Path) -> str:
    """What shell lines say, errors too, when each of them succeeds."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def indented(words: str, after: str, before: str) -> list[str]:
    """The lines to type that stand between two lines."""
    part = words.partition(f"{after}\n")[2].partition(f"{before}\n")[0]
    return [line.strip() for line in part.splitlines() if line.startswith("    ")]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder where byok8s init was typed, and what it said."""
    folder = tmp_path_factory.mktemp("init")
    return folder, shell("byok8s init 'gut flora'", folder)


def test_what_init_says_runs_the_workflow_and_its_test(said: tuple[Path, str]) -> None:
    folder, words = said
    lines = indented(words, "Run it on this machine, and its test:", "Run it on a cluster:")
    assert lines[0] == "cd 'gut flora'"
    assert "3 passed" in shell("\n".join(lines), folder)
    assert (folder / "gut flora" / ".byok8s" / "results" / "report.tsv").read_text() == SMALL


def test_the_readmes_commands_run_as_they_stand(said: tuple[Path, str]) -> None:
    """Those for this machine but for the installation: small shown and run, its report, large."""
    folder = said[0] / "gut flora"
    readme = (folder / "README.md").read_text()
    install, *lines = indented(readme, "## On this machine", "## On a cluster")
    assert install == 'pip install "byok8s[local]"'
    assert len([line for line in lines if "--local" in line]) == 3
    shown = shell("\n".join(lines), folder)
    assert SMALL in shown
    report = (folder / ".byok8s" / "results" / "report.tsv").read_text()
    assert report.startswith(HEAD)
    # reads cover the genome, which has 50,000 - 21 + 1 k-mers, 40 times: few of them are missed, and none is made up
    for row in report.removeprefix(HEAD).splitlines():
        _, reads, kmers, distinct, *_ = row.split("\t")
        assert (reads, kmers) == ("20000", "1600000")
        assert 49_900 < int(distinct) <= 49_980
    install, test = indented(readme, "## Its test", "## Giving it to others")
    assert install == "pip install pytest"
    assert "3 passed" in shell(test, folder)


def test_the_test_finds_what_is_wrong(tmp_path: Path) -> None:
    """Of a script that counts one k-mer less in each read."""
    shell("byok8s init .", tmp_path)
    script = tmp_path / "scripts" / "count_kmers.py"
    right = script.read_text()
    script.write_text(right.replace("len(read) - k + 1)", "len(read) - k)"))
    assert script.read_text() != right
    assert "2 failed, 1 passed" in shell("python -m pytest || test $? = 1", tmp_path)


def test_the_test_keeps_out_of_the_workflows_bucket(tmp_path: Path) -> None:
    shell("byok8s init .; echo 's3_bucket: no-such-bucket' >> workflow-all.yaml", tmp_path)
    assert "3 passed" in shell("python -m pytest", tmp_path)


def test_a_second_init_refuses_and_changes_nothing(tmp_path: Path) -> None:
    shell("byok8s init", tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == 12
    refused = shell("byok8s init || test $? = 2", tmp_path)
    assert "Files that would be made are there already; nothing was written." in refused
    assert all(path.relative_to(tmp_path).as_posix() in refused for path in before)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
