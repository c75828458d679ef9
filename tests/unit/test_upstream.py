"""What jobs upstream have made, and a command names."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.jobs.upstream import Upstream, words
from planned import planned

SNAKEFILE = """
rule c:
    input: "b.txt"
    output: "c.txt"
    log: "c.log"
    shell: "cat {input}"
rule b:
    input: "made/a.txt"
    output: "b.txt", temp("b.tmp")
    log: "logs/b.log"
    shell: "cat {input}"
rule a:
    output: "made/a.txt", "made/other.txt", directory("folder")
    benchmark: "a.tsv"
    shell: "touch {output}"
rule beside:
    output: "beside.txt"
    shell: "touch {output}"
"""


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("test -f a.txt;cat b/./c.txt|wc", {"test", "-f", "a.txt", "cat", "b/c.txt", "wc"}),
        (
            "tool --in=a.txt 'b.txt' \"c.txt\" $(cat d.txt)",
            {"tool", "--in", "cat", *(f"{n}.txt" for n in "abcd")},
        ),
        ("echo x >> a.txt; cat a.txt b.txt 2>'c.txt' >d.txt", {"echo", "x", "cat", "b.txt", "2"}),
        ("cat made/*.txt", {"cat", "made", ".txt"}),
    ],
)
def test_words_that_may_be_paths(command: str, found: set[str]) -> None:
    assert words(command) == found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("cat b.txt made/a.txt made/other.txt", {"made/a.txt", "made/other.txt"}),
        ("test -f logs/b.log && ls folder; wc a.tsv", {"logs/b.log", "folder", "a.tsv"}),
        ("cat b.tmp beside.txt c.txt c.log", set()),
        ("cat made/other.txt.bak xmade/other.txt made", set()),
        ("echo more >> logs/b.log", set()),
    ],
)
def test_files_that_a_command_names(command: str, found: set[str], tmp_path: Path) -> None:
    with planned(tmp_path, {"Snakefile": SNAKEFILE}, "c.txt", "beside.txt") as dag:
        job = next(job for job in dag.jobs if job.rule.name == "c")
        assert {str(file) for file in Upstream(dag).named(job, command)} == found
