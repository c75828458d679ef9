"""A group of which one member fails: what the others have made stays, as it does at home."""

import re

import pytest

from sandbox import Sandbox

SNAKEFILE = """
rule all:
    input: "joined.txt"
rule part:
    output: "part-{n}.txt", temp("scratch-{n}.txt")
    group: "all"
    shell: "test {wildcards.n} != BROKEN; sleep 1; echo {wildcards.n} | tee {output}"
rule second:
    input: "part-{n}.txt", "scratch-{n}.txt"
    output: "second-{n}.txt"
    group: "all"
    RESOURCES
    shell: "cat {input} > {output}"
rule joined:
    input: expand("second-{n}.txt", n=range(2))
    output: "joined.txt"
    group: "all"
    shell: "test BROKEN != joined && cat {input} > {output}"
"""
KNOWN_LATER = "resources: mem_mb=lambda wildcards, input: max(100, input.size_mb)"


def files(broken: str, resources: str = "") -> dict[str, str]:
    return {
        "Snakefile": SNAKEFILE.replace("BROKEN", broken).replace("RESOURCES", resources),
        "wf.json": '{"workflow_target": "all"}',
        "params.json": "{}",
    }


def ran(said: str) -> list[str]:
    """Return the rules whose jobs Snakemake has begun, each as often as that."""
    return sorted(re.findall(r"^ *(?:local)?rule (\w+):$", said, re.MULTILINE))


@pytest.mark.parametrize(
    ("flags", "resources"),
    [((), ""), (("--no-reuse",), ""), ((), KNOWN_LATER)],
    ids=["worker", "single pod", "members one by one"],
)
def test_what_was_done_before_the_last_member_failed_is_not_made_again(
    flags: tuple[str, ...], resources: str, cluster: Sandbox
) -> None:
    cluster.write(files("joined", resources))
    said = cluster.run("wf", "params", *flags, expect=1)
    assert "Of group all, 4 of 5 jobs were done (part, second): their outputs stay." in said
    assert cluster.read("second-1.txt") == "1\n1\n"
    cluster.write(files("nothing", resources))
    said = cluster.run("wf", "params", *flags, "--", "--rerun-triggers", "mtime", "--printshellcmds")
    assert ran(said) == ["all", "joined"]
    assert cluster.read("joined.txt") == "".join(f"{n}\n{n}\n" for n in range(2))


def test_members_beside_the_one_that_fails_go_on_to_their_end(cluster: Sandbox) -> None:
    cluster.write(files("1"))
    said = cluster.run("wf", "params", expect=1)
    assert "in rule part: exit code 1" in said
    assert "Of group all, 1 of 5 jobs were done (part): their outputs stay." in said
    assert cluster.read("part-0.txt") == "0\n"
    assert "part-1.txt" not in cluster.kept()
    cluster.write(files("nothing"))
    cluster.run("wf", "params", "--", "--rerun-triggers", "mtime")
    assert cluster.read("joined.txt") == "".join(f"{n}\n{n}\n" for n in range(2))
