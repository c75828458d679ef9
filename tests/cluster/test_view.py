"""What a person at a terminal sees of a run on a cluster."""

from __future__ import annotations

import re

import pytest

from sandbox import Sandbox
from terminal import at_a_terminal

SNAKEFILE = """
rule all:
    input: expand("out-{i}.txt", i=range(3)), "bad.txt"
rule good:
    output: "out-{i}.txt"
    shell: "sleep 1; echo {wildcards.i} > {output}"
rule bad:
    output: "bad.txt"
    shell: "echo no such column >&2; exit 3"
"""


def ends(said: str) -> list[str]:
    """Return the lines of jobs' ends, without what is measured."""
    found = re.findall(
        r"^\[\d\d:\d\d:\d\d\] (.* jobs done.*), [\d.]+ s, \d+ MB, on [^ :\n]+(.*)$", said, re.MULTILINE
    )
    return [line + why for line, why in found]


@pytest.mark.parametrize("plain", [False, True])
def test_a_run_is_drawn_unless_it_is_plain(cluster: Sandbox, plain: bool) -> None:
    cluster.write({"Snakefile": SNAKEFILE})
    words = ["--plain"] if plain else []
    code, said = at_a_terminal(cluster, "-s", "Snakefile", "--jobs", "2", *words, "--", "--keep-going")
    assert code == 1, said
    assert "no such column" in said  # failures are said in full
    drawn = [line for line in said.splitlines() if re.search(r": failed, 3 of 5 jobs done, 1 failed, ", line)]
    assert bool(drawn) != plain, said
    assert bool(ends(said)) == plain, said
    assert "Select jobs to execute..." not in said
    (log,) = (cluster.folder / ".snakemake/log").iterdir()
    assert "rule good:" in log.read_text()
    assert cluster.names() == []


def test_without_a_terminal_a_job_is_a_line_and_in_full_if_that_is_asked_for(cluster: Sandbox) -> None:
    cluster.write({"Snakefile": SNAKEFILE})
    said = cluster.run("-s", "Snakefile", "--jobs", "1", expect=1)
    assert [line.partition("; ")[2] for line in ends(said) if "failed" in line] == [
        "failed: bad: exit code 3"
    ]
    assert "rule good:" not in said
    assert "no such column" in said
    assert "Job stats:" in said
    said = cluster.run("-s", "Snakefile", "bad.txt", "--", "--retries", "1", expect=1)
    assert [line.partition("; ")[2] for line in ends(said)] == [
        "is tried again: bad: exit code 3",
        "failed: bad: exit code 3",
    ]
    said = cluster.run("-s", "Snakefile", "out-0.txt", "--force", "--", "--printshellcmds")
    assert ends(said) == []
    assert "rule good:" in said
    assert "echo 0 > " in said
    assert "1 of 1 steps (100%) done" in said
