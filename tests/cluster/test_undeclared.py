"""Files that rules leave and do not declare: they are said, and kept if a rule says so."""

from typing import cast

import pytest

from happened import events_of, of_kind
from sandbox import Sandbox

SNAKEFILE = """
rule all:
    input: "side.txt"
rule index:
    output: "ref/genome.bwt"
    {}
    shell: "for of in bwt amb ann; do echo $of > ref/genome.$of; done; echo x > note.txt"
rule align:
    input: "ref/genome.bwt"
    output: "side.txt"
    shell: "cat ref/genome.amb > {{output}}"
"""


def files(keep: str, also: str = "") -> dict[str, str]:
    return {
        "Snakefile": SNAKEFILE.format(keep) + also,
        "wf.json": '{"workflow_target": "all"}',
        "params.json": "{}",
    }


KEEP = 'resources: byok8s_keep="ref/genome.a*"'


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["worker", "single pod"])
def test_what_is_lost_is_said_and_what_is_kept_is_there_for_who_takes_the_output(
    flags: tuple[str, ...], cluster: Sandbox
) -> None:
    cluster.write(files(""))
    said = cluster.run("wf", "params", "ref/genome.bwt", *flags)
    assert "Rule index also left note.txt and 2 more, which no rule declares: not kept." in said
    (row,) = of_kind(events_of(cluster.folder), "job.ended")
    assert [each["count"] for each in cast("list[dict[str, int]]", row["left"])] == [3]

    cluster.write(files(KEEP))
    said = cluster.run("wf", "params", "--force", *flags)
    assert "Rule index also left note.txt, which no rule declares: not kept." in said
    assert cluster.read("side.txt") == "amb\n"
    assert cluster.read("ref/genome.ann") == "ann\n"


def test_what_an_earlier_run_has_kept_is_there_too(cluster: Sandbox) -> None:
    cluster.write(files(KEEP))
    cluster.run("wf", "params", "ref/genome.bwt")
    assert "jobs done: index" not in cluster.run("wf", "params")
    assert cluster.read("side.txt") == "amb\n"


def test_a_pattern_that_names_a_declared_output_is_refused_before_the_first_job(cluster: Sandbox) -> None:
    cluster.write(files('resources: byok8s_keep="ref/*"'))
    said = cluster.run("wf", "params", expect=2)
    assert "byok8s_keep='ref/*' of rule index also names ref/genome.bwt, which rule index declares." in said
    assert cluster.made() == []
