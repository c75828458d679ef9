"""Random DAGs and random edits of them, as one Snakefile: each output tells by its first line when it was made.

All other lines follow from the inputs, the params and the code, so a stale result is seen as well as a needless job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from textwrap import dedent

SHELL = (
    "cat /proc/sys/kernel/random/uuid > {output}; tail -qn +2 {input} >> {output}; "
    "echo CODE {params.value} >> {output}"
)
BODY = """\
import uuid
lines = [line for name in {input} for line in open(name).readlines()[1:]]
open({output}[0], "w").write(f"{{uuid.uuid4()}}\\n{{''.join(lines)}}CODE {{{params}.value}}\\n")
"""


@dataclass(frozen=True)
class Rule:
    """How a file is made. inputs: files of its DAG. kind: "shell", "run" or "script". The rest: versions."""

    kind: str
    inputs: tuple[str, ...]
    code: int = 0
    value: int = 0
    software: int = 0


@dataclass(frozen=True)
class Dag:
    """sources: versions of the inputs that no rule makes. rules: the file `NUMBER.txt` is made by the rule NUMBER."""

    sources: tuple[int, ...]
    rules: tuple[Rule, ...]


def some_dag(random: Random) -> Dag:
    sources = random.randint(1, 2)
    rules: list[Rule] = []
    for number in range(random.randint(2, 5)):
        files = _files(sources, number)
        inputs = random.sample(files, random.randint(1, min(3, len(files))))
        kind = random.choices(["shell", "run", "script"], [12, 1, 1])[0]
        rules.append(Rule(kind, tuple(inputs)))
    return Dag((0,) * sources, tuple(rules))


def _files(sources: int, rules: int) -> list[str]:
    return [f"in{number}.txt" for number in range(sources)] + [f"{number}.txt" for number in range(rules)]


def edited(dag: Dag, random: Random) -> Dag:
    """Return a DAG with none, one or two changes."""
    for _ in range(random.randint(0, 2)):
        dag = _edited(dag, random)
    return dag


def _edited(dag: Dag, random: Random) -> Dag:
    number = random.randrange(len(dag.rules))
    rule = dag.rules[number]
    what = random.choice(["code", "value", "inputs", "software", "source"])
    if what == "source":
        at = random.randrange(len(dag.sources))
        versions = [version + (index == at) for index, version in enumerate(dag.sources)]
        return replace(dag, sources=tuple(versions))
    if what == "inputs":
        others = [file for file in _files(len(dag.sources), number) if file not in rule.inputs]
        inputs = (*rule.inputs, random.choice(others)) if others else rule.inputs[:1]
        changed = replace(rule, inputs=inputs)
    else:
        changed = replace(rule, **{what: getattr(rule, what) + 1})
    return replace(dag, rules=(*dag.rules[:number], changed, *dag.rules[number + 1 :]))


def written(dags: Mapping[str, Dag]) -> dict[str, str]:
    """Return the files of a workflow with all of these DAGs, by their names."""
    files = {"w.json": '{"workflow_target": "all"}', "p.json": "{}"}
    outputs = [f"{name}/{number}.txt" for name, dag in dags.items() for number in range(len(dag.rules))]
    snakefile = [f"rule all:\n    input: {outputs!r}\n"]
    for name, dag in dags.items():
        for at, version in enumerate(dag.sources):
            files[f"{name}/in{at}.txt"] = f"source\n{name} {at} {version}\n"
        for number, rule in enumerate(dag.rules):
            snakefile.append(_text(name, number, rule))
            if rule.kind == "script":
                files[f"{name}/{number}.py"] = _body(rule, "snakemake.")
    return files | {"Snakefile": "\n".join(snakefile)}


def _text(name: str, number: int, rule: Rule) -> str:
    head = dedent(f"""\
        rule {name}_{number}:
            input: {[f"{name}/{file}" for file in rule.inputs]!r}
            output: "{name}/{number}.txt"
            params: value={rule.value}
        """)
    if rule.kind == "run":
        lines = "".join(f"        {line}\n" for line in _body(rule, "").splitlines())
        return f"{head}    run:\n{lines}"
    if rule.kind == "script":
        return f'{head}    script: "{name}/{number}.py"\n'
    modules = f'    envmodules: "tool/{rule.software}"\n'
    return f"{head}{modules}    shell: {SHELL.replace('CODE', str(rule.code))!r}\n"


def _body(rule: Rule, of: str) -> str:
    text = BODY.format(input=f"{of}input", output=f"{of}output", params=f"{of}params")
    return text.replace("CODE", str(rule.code))
