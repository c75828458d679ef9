"""What S3 or a cluster may not be able to have: it means the same as with plain Snakemake, or is refused by name.

NOT_YET names those that are neither, and why; a test of one that is fails, so the list stays true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from _pytest.mark import ParameterSet

from conformance.attempt import Attempt, attempt
from conformance.oracle import consult
from conformance.place import Place
from conformance.workflow import Workflow
from meaning import Meaning


@dataclass(frozen=True)
class Refusal:
    """result: the file that is right if the workflow is not refused. named: what words of refusal have in them."""

    meaning: Meaning
    result: str
    named: str


def _of(snakefile: str, result: str, named: str) -> Refusal:
    return Refusal(Meaning({"Snakefile": snakefile}), result, named)


REFUSALS = {
    "an absolute output": _of(
        'rule a:\n    output: "/tmp/byok8s-absolute/x.txt"\n    shell: "echo 1 > {output}"\n',
        "/tmp/byok8s-absolute/x.txt",
        "/tmp/byok8s-absolute/x.txt",
    ),
    "an absolute input": _of(
        'rule a:\n    input: "/etc/hostname"\n    output: "a.txt"\n    shell: "cp {input} {output}"\n',
        "a.txt",
        "/etc/hostname",
    ),
    "a backslash in a name": _of(
        "rule all:\n    input: 'made/a\\\\b.txt'\n    output: 'all.txt'\n    shell: 'cp {input:q} {output}'\n"
        "rule a:\n    output: 'made/{x}.txt'\n    shell: 'echo {wildcards.x:q} > {output:q}'\n",
        "all.txt",
        "made/a",
    ),
    "links in a directory": _of(
        'rule all:\n    input: "d"\n    output: "o.txt"\n    shell: "cat {input}/latest/f > {output}"\n'
        'rule a:\n    output: directory("d")\n'
        '    shell: "mkdir -p {output}/v1; echo 1 > {output}/v1/f; ln -s v1 {output}/latest"\n',
        "o.txt",
        "latest",
    ),
    "a link to nowhere in a directory": _of(
        'rule all:\n    input: "d"\n    output: "o.txt"\n    shell: "readlink {input}/dangling > {output}"\n'
        'rule a:\n    output: directory("d")\n    shell: "mkdir -p {output}; ln -s nowhere {output}/dangling"\n',
        "o.txt",
        "dangling",
    ),
}

NOT_YET: Mapping[str, Mapping[str, str]] = {"local": {}, "cluster": {}}


def marked(place: str) -> list[ParameterSet]:
    """Return the names as parameters of a test that has to fail for what is neither right nor refused yet."""
    why = NOT_YET[place]
    return [
        pytest.param(name, marks=[pytest.mark.xfail(reason=why[name])] if name in why else [])
        for name in REFUSALS
    ]


def is_refused_or_right(refusal: Refusal, workflow: Workflow, place: Place, name: str) -> bool:
    """Run the workflow, and return whether it is refused by name, or its result is plain Snakemake's."""
    made = attempt(workflow, place, name)
    print(made.words)
    if made.code == 0:
        return made.stored.get(refusal.result) == consult(workflow).files[refusal.result]
    return _is_refused(refusal, made)


def _is_refused(refusal: Refusal, made: Attempt) -> bool:
    absolute = refusal.named.startswith("/")  # found before anything is made
    return (
        refusal.named in made.words
        and "Traceback" not in made.words
        and made.code in ((2,) if absolute else (1, 2))
        and not (absolute and made.stored)
    )
