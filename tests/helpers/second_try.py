"""A workflow in which a job's second try waits for something limited, until after a checkpoint has ended."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from gates import Gate, gate
from sandbox import await_line


class Gates(NamedTuple):
    """Where the first try of rule again, the checkpoint, and rule hold wait."""

    fail: Gate
    split: Gate
    hold: Gate


@contextmanager
def gates(host: str = "127.0.0.1") -> Iterator[Gates]:
    """Have gates for a run. host: where its jobs reach this machine."""
    with ExitStack() as stack:
        yield Gates(*(stack.enter_context(gate(host)) for _ in Gates._fields))


def led(run: subprocess.Popen[str], at: Gates, expect: int = 0) -> str:
    """Have its jobs end in the order that it takes. Returns all that the run has said, after a check of its exit code.

    The run has to say of each job that it is finished, as Snakemake does.
    """
    said = await_line(run, "(Rule: early)")  # so that rule hold gets the slot as soon as it is free
    at.fail.open()
    said += await_line(run, "Trying to restart job")
    at.split.open()
    said += await_line(run, "checkpoint dependencies")
    at.hold.open()
    said += run.communicate(timeout=120)[0]
    print(said)
    assert run.returncode == expect
    assert "Traceback" not in said
    return said


def snakefile(at: Gates, head: str = "", group: str = "") -> str:
    """Return the Snakefile, for a run with `--resources slot=1`. head: lines at the top. group: that of rule again."""
    return f"""
{head}
rule all:
    input: "again.txt", "held.txt", "all.txt"
rule early:
    output: "early.txt"
    shell: "touch {{output}}"
rule again:
    output: "again.txt"
    {f'group: "{group}"' if group else ""}
    priority: 1
    retries: 1
    resources:
        slot=1,
        n=lambda wildcards, attempt: attempt
    shell: "test {{resources.n}} = 2 || {{{{ {at.fail.command}; exit 1; }}}}; touch {{output}}"
rule hold:
    input: "early.txt"
    output: "held.txt"
    priority: 2
    resources: slot=1
    shell: "{at.hold.command}; touch {{output}}"
checkpoint split:
    input: "early.txt"
    output: "split.txt"
    shell: "{at.split.command}; echo a b > {{output}}"
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
