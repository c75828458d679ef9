"""A workflow in which a job's second try waits for something limited, until after a checkpoint has ended."""

from __future__ import annotations


def snakefile(
    *, fail: str, hold: str, split: str, early: str = "true", head: str = "", group: str = ""
) -> str:
    """Return the Snakefile, for a run with `--resources slot=1`.

    Rule again fails once and wants the slot, which rule hold then has. fail, hold, split, early: commands by which
    these rules wait for each other: `split` of the checkpoint, `early` of what rule hold takes. They have to be over in
    the order of early, fail, split, hold. head: lines at the top. group: that of rule again.
    """
    return f"""
{head}
rule all:
    input: "again.txt", "held.txt", "all.txt"
rule early:
    output: "early.txt"
    shell: "{early}; touch {{output}}"
rule again:
    output: "again.txt"
    {f'group: "{group}"' if group else ""}
    priority: 1
    retries: 1
    resources:
        slot=1,
        n=lambda wildcards, attempt: attempt
    shell: "test {{resources.n}} = 2 || {{{{ {fail}; exit 1; }}}}; touch {{output}}"
rule hold:
    input: "early.txt"
    output: "held.txt"
    priority: 2
    resources: slot=1
    shell: "{hold}; touch {{output}}"
checkpoint split:
    input: "early.txt"
    output: "split.txt"
    shell: "{split}; echo a b > {{output}}"
rule part:
    output: "part-{{n}}.txt"
    shell: "touch {{output}}"
def parts(wildcards):
    with checkpoints.split.get().output[0].open() as split:
        return expand("part-{{n}}.txt", n=split.read().split())
rule collect:
    input: parts
    output: "all.txt"
    shell: "cat {{input}} > {{output}}"
"""
