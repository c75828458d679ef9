"""The workflows that are broken on purpose: the tests run them with byok8s, and the bench the same with upstream.

Each is the files of a working folder, for the command `byok8s wf params`.
"""

from __future__ import annotations

ONCE = "sleep 2; echo {wildcards.i} >> {output}"
FAILING = "echo about to fail; echo the reason >&2; exit 3"
SIGNALLED = "kill -SEGV $$"
SLEEPING = "sleep 300; touch {output}"
STUBBORN = "trap '' TERM INT; sleep 300; touch {output}"
TAKEN_AWAY = "echo started; sleep 12; echo x >> {output}"
LONG_LOG = "seq 25000000; echo {wildcards.i} >> {output}"


def workflow(snakefile: str, target: str) -> dict[str, str]:
    return {"Snakefile": snakefile, "wf.json": f'{{"workflow_target": "{target}"}}', "params.json": "{}"}


def only(shell: str) -> dict[str, str]:
    """One job, which makes out.txt."""
    return workflow(f"rule only:\n    output: 'out.txt'\n    shell: {shell!r}\n", "only")


def many(count: int, shell: str) -> dict[str, str]:
    """So many jobs, which make out-0.txt, out-1.txt and so on."""
    return workflow(
        f"rule all:\n    input: expand('out-{{i}}.txt', i=range({count}))\n"
        f"rule one:\n    output: 'out-{{i}}.txt'\n    shell: {shell!r}\n",
        "all",
    )


def memory(mem_mb: str, used: int) -> dict[str, str]:
    """A job that uses so many bytes. mem_mb: as the rule writes it."""
    shell = f'python -c "x = bytearray({used})"; echo enough > {{output}}'
    return workflow(
        f"rule only:\n    output: 'out.txt'\n    resources: mem_mb={mem_mb}\n    shell: {shell!r}\n", "only"
    )


ONE_OF_TWO_FAILS = workflow(
    "rule all:\n    input: 'bad.txt', 'good-2.txt'\n"
    "rule bad:\n    output: 'bad.txt'\n    priority: 5\n    shell: 'exit 7'\n"
    "rule good:\n    output: 'good-1.txt'\n    shell: 'sleep 8; echo good > {output}'\n"
    "rule better:\n    input: 'good-1.txt'\n    output: 'good-2.txt'\n    shell: 'cp {input} {output}'\n",
    "all",
)
TOO_LARGE = workflow(
    "rule all:\n    input: 'a.txt'\n"
    "rule big:\n    output: 'a.txt'\n    threads: 512\n    resources: gpu=1\n    shell: 'touch {output}'\n",
    "all",
)
