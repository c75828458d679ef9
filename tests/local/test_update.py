"""update(...) with --local: the former content is the bucket's, and a job that fails leaves it there."""

import sys
from pathlib import Path

import pytest

from folders import clean_environment, run_in, write_files

SEED = """
rule seed:
    output: "log.txt", directory("folder"), "in.txt"
    shell: "echo old > log.txt; mkdir folder; echo old > folder/old.txt; echo new > in.txt"
"""
UPDATED = """
rule all:
    input: "log.txt", "folder"
rule file:
    input: "in.txt"
    output: update("log.txt")
    shell: "cat {input} >> {output}; {config[do]}"
rule folder:
    input: "in.txt"
    output: update(directory("folder"))
    shell: "cp {input} {output}/new.txt; {config[do]}"
"""


@pytest.mark.parametrize("target", ["all", "log.txt", "folder"])
def test_a_failing_update_leaves_the_former_content(tmp_path: Path, target: str) -> None:
    write_files(
        tmp_path,
        {
            "Seed": SEED,
            "Snakefile": UPDATED,
            "fails.json": '{"do": "false"}',
            "works.json": '{"do": "true"}',
        },
    )

    def byok8s(*words: str, expect: int = 0) -> None:
        command = [sys.executable, "-m", "byok8s", "-", *words]
        run_in(tmp_path, command, clean_environment(), expect)

    results = tmp_path / ".byok8s/results"
    byok8s("-", "seed", "--local", "--snakefile", "Seed")
    update = ("--local", "--", "--forcerun", "file", "folder")
    byok8s("fails.json", target, *update, expect=1)
    byok8s("works.json", "all", *update)
    assert (results / "log.txt").read_text() == "old\nnew\n"
    assert (results / "folder/old.txt").read_text() == "old\n"
    assert (results / "folder/new.txt").read_text() == "new\n"
