"""A package as its user has it, on a real cluster: from an empty folder, and its files in pods."""

import subprocess
from pathlib import Path

import pytest

from folders import write_files
from installed import Installed, install_beside
from sandbox import Sandbox

ZETA = "zeta a1 {0}\nzeta a2 {0}\nzeta b1 {0}\nzeta b2 {0}\nzeta {0}\n"


def run(installed: Installed, cluster: Sandbox, *arguments: str) -> str:
    return installed.run(cluster.folder, *arguments, "-k", cluster.namespace, environment=cluster.environment)


def test_it_runs_from_an_empty_folder_and_a_second_time_there_is_nothing_to_do(
    bananas: Installed, cluster: Sandbox
) -> None:
    said = run(bananas, cluster, "workflow-zeta", "params-red")
    assert "snakefile:     Snakefile of bananas 1.0" in said
    assert cluster.read("zeta.txt") == ZETA.format("red")
    assert "Nothing to be done" in run(bananas, cluster, "workflow-zeta", "params-red")
    assert cluster.names() == []
    assert sorted(path.name for path in cluster.folder.iterdir()) == [".byok8s", ".snakemake"]


def test_files_of_the_package_and_of_the_users_folder_reach_pods(
    bananas: Installed, cluster: Sandbox, tmp_path: Path
) -> None:
    """Of the user's folder, as always, what git tracks."""
    workflow = tmp_path / "deep"
    files = {
        "workflow/Snakefile": 'configfile: "config/config.yaml"\nrule all:\n    output: "out.txt"\n'
        '    input: workflow.source_path("resources/there.txt")\n    script: "scripts/join.py"\n',
        "workflow/scripts/join.py": "from helper import read\n"
        'with open(snakemake.output[0], "w") as out:\n'
        '    print(open(snakemake.input[0]).read(), read("config/words.txt"), read("mine.txt"), end="", file=out)\n'
        '    print(snakemake.config, end="", file=out)\n',
        "workflow/scripts/helper.py": "def read(path):\n    return open(path).read()\n",
        "workflow/resources/there.txt": "there",
        "config/config.yaml": "name: default\nsize: 1\n",
        "config/words.txt": "words",
        "mine.txt": "theirs",
        "workflow-all.yaml": "workflow_target: all\n",
        "params-name.yaml": "name: given\n",
    }
    write_files(workflow, files)
    deep = install_beside(bananas, workflow, "deep", "1", tmp_path / "installed")
    cluster.write({"mine.txt": "mine", "config/words.txt": "my words", "config/more.txt": "untracked"})
    for command in (["init", "-q"], ["add", "mine.txt", "config/words.txt"]):
        subprocess.run(["git", *command], cwd=cluster.folder, check=True)
    run(deep, cluster, "workflow-all", "params-name")
    assert cluster.read("out.txt") == "there my words mine{'name': 'given', 'size': 1}"


@pytest.mark.timeout(200)
def test_a_controller_that_was_killed_and_is_started_again_goes_on(
    bananas: Installed, cluster: Sandbox
) -> None:
    arguments = [str(bananas.command), "workflow-zeta", "params-blue", "-k", cluster.namespace]
    environment = cluster.environment
    run_ = subprocess.Popen(arguments, cwd=cluster.folder, env=environment, stdout=subprocess.DEVNULL)
    cluster.await_made(1)
    run_.kill()
    run_.wait()
    said = run(bananas, cluster, "workflow-zeta", "params-blue")
    assert "goes on; its controller was last heard of" in said
    assert cluster.read("zeta.txt") == ZETA.format("blue")
    assert cluster.names() == []
