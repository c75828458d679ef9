"""Workflows at random, each valid for Snakemake: layers of rules of several kinds, files with odd names between them.

A workflow has a few samples. Each layer takes what the layer before it has made of a sample and makes one file of it,
by rules of its own kind: a command, a script, `run:`, a directory, a checkpoint, scattered and gathered parts. In the
end the files of all samples are aggregated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import dedent

from hypothesis import strategies as st

from meaning import Meaning

CHARACTERS = "ab1 +,#'\"%&=~@!()[]é日-_."
# plain Snakemake starts itself for `run:`, with a command line that takes no others in wildcards
PLAIN_CHARACTERS = "ab1+#%~@é日-_."
SCRIPT = """\
from pathlib import Path

taken = Path(snakemake.input[0]).read_text()
Path(snakemake.output[0]).write_text(f"{taken}script {snakemake.params.value!r} {snakemake.wildcards.s}\\n")
"""


@dataclass(frozen=True)
class Layer:
    """How a file `made/NUMBER/SAMPLE.txt` is made of that of the layer before.

    kind: of KINDS. temp: whether the file goes once it was taken. group: of its jobs. value: a parameter. function:
    whether the parameter comes from a function.
    """

    kind: str
    temp: bool
    group: str | None
    value: str
    function: bool


@st.composite
def names(draw: st.DrawFn, characters: str) -> str:
    """Return a name that can be a file's: not empty, not hidden, with nothing that changes at its ends."""
    middle = draw(st.text(characters, max_size=6))
    return f"{draw(st.sampled_from('abé日1'))}{middle}{draw(st.sampled_from('ab1日'))}"


layers = st.builds(
    Layer,
    kind=st.sampled_from(["shell", "literal", "script", "run", "directory", "checkpoint", "scatter"]),
    temp=st.sampled_from([False, False, True]),
    group=st.sampled_from([None, None, "g"]),
    value=st.text("ab '\"\\$`é{}\t", max_size=5),
    function=st.booleans(),
)


@st.composite
def workflows(draw: st.DrawFn) -> Meaning:
    chain = draw(st.lists(layers, min_size=2, max_size=4))
    characters = PLAIN_CHARACTERS if any(layer.kind == "run" for layer in chain) else CHARACTERS
    samples = draw(st.lists(names(characters), min_size=2, max_size=3, unique=True))
    inputs = {f"in/{name}.txt": f"{name}\n" for name in samples}
    return Meaning({"Snakefile": snakefile(samples, chain), "write.py": SCRIPT, **inputs})


def snakefile(samples: Sequence[str], chain: Sequence[Layer]) -> str:
    rules = [_rules(number, layer, _source(number)) for number, layer in enumerate(chain, start=1)]
    return "\n".join([_head(samples, len(chain)), *rules])


def _source(number: int) -> str:
    return "in/{s}.txt" if number == 1 else f"made/{number - 1}/{{s}}.txt"


def _head(samples: Sequence[str], last: int) -> str:
    return dedent(f"""\
        SAMPLES = {list(samples)!r}
        scattergather: split=2
        rule all:
            input: expand("made/{last}/{{s}}.txt", s=SAMPLES)
            output: "all.txt"
            shell: "cat {{input:q}} > {{output:q}}"
        """)


def _rules(number: int, layer: Layer, source: str) -> str:
    return KINDS[layer.kind](number, layer, source)


def _common(layer: Layer) -> str:
    """Return the lines that rules of all kinds have."""
    value = f"lambda wildcards, input: {layer.value!r} + wildcards.s" if layer.function else repr(layer.value)
    group = f"    group: {layer.group!r}\n" if layer.group else ""
    return f"    params: value={value}\n{group}"


def _output(number: int, layer: Layer) -> str:
    path = f'"made/{number}/{{s}}.txt"'
    return f"temp({path})" if layer.temp else path


def _rule(number: int, layer: Layer, source: str, action: str) -> str:
    taken = f'rule step{number}:\n    input: "{source}"\n'
    return f"{taken}    output: {_output(number, layer)}\n{_common(layer)}    {action}\n"


def _shell(number: int, layer: Layer, source: str) -> str:
    command = "cat {input:q} > {output:q}; printf '%s\\\\n' {params.value:q} {wildcards.s:q} >> {output:q}"
    return _rule(number, layer, source, f'shell: "{command}"')


def _literal(number: int, layer: Layer, source: str) -> str:
    """Return a rule whose command names its output's folder itself, as many do."""
    command = f"mkdir -p made/{number}; cat {{input:q}} > made/{number}/{{wildcards.s:q}}.txt"
    return _rule(number, layer, source, f'shell: "{command}"')


def _script(number: int, layer: Layer, source: str) -> str:
    return _rule(number, layer, source, 'script: "write.py"')


def _run(number: int, layer: Layer, source: str) -> str:
    body = (
        'run:\n        with open(output[0], "w") as out:\n'
        "            out.write(open(input[0]).read() + repr(params.value) + str(len(SAMPLES)))"
    )
    return _rule(number, layer, source, body)


def _directory(number: int, layer: Layer, source: str) -> str:
    """Return a rule that makes a directory, and one that takes it."""
    made = (
        f'rule folder{number}:\n    input: "{source}"\n    output: directory("made/{number}-folder/{{s}}")\n'
        '    shell: "mkdir -p {output:q}/deep; cp {input:q} {output:q}/deep/a; echo b > {output:q}/b"\n'
    )
    command = "cat {input:q}/deep/a {input:q}/b > {output:q}"
    return made + _rule(number, layer, f"made/{number}-folder/{{s}}", f'shell: "{command}"')


def _checkpoint(number: int, layer: Layer, source: str) -> str:
    """Return a checkpoint whose directory is globbed, jobs for the files in it, and a rule that takes their outputs."""
    return (
        f'checkpoint split{number}:\n    input: "{source}"\n    output: directory("made/{number}-split/{{s}}")\n'
        '    shell: "mkdir -p {output:q}; for i in 1 2; do cp {input:q} {output:q}/$i.txt; done"\n'
        f'rule part{number}:\n    input: "made/{number}-split/{{s}}/{{i}}.txt"\n'
        f'    output: "made/{number}-part/{{s}}/{{i}}.txt"\n    wildcard_constraints: i=r"\\d+"\n'
        '    shell: "cat {input:q} > {output:q}; echo {wildcards.i} >> {output:q}"\n'
        f"def parts{number}(wildcards):\n"
        f"    folder = checkpoints.split{number}.get(s=wildcards.s).output[0]\n"
        '    found = sorted(name[:-4] for name in os.listdir(folder) if name.endswith(".txt"))\n'
        f'    return expand("made/{number}-part/{{s}}/{{i}}.txt", s=wildcards.s, i=found)\n'
        f"rule step{number}:\n    input: parts{number}\n    output: {_output(number, layer)}\n{_common(layer)}"
        '    shell: "cat {input:q} > {output:q}"\n'
    )


def _scatter(number: int, layer: Layer, source: str) -> str:
    """Return rules that scatter a file, and one that gathers the parts."""
    part = f"made/{number}-part/{{{{s}}}}/{{scatteritem}}.txt"
    return (
        f'rule scatter{number}:\n    input: "{source}"\n    output: scatter.split("{part}")\n'
        '    shell: "for path in {output:q}; do cp {input:q} \\"$path\\"; done"\n'
        f'rule step{number}:\n    input: gather.split("{part}")\n    output: {_output(number, layer)}\n{_common(layer)}'
        '    shell: "cat {input:q} > {output:q}"\n'
    )


KINDS: dict[str, Callable[[int, Layer, str], str]] = {
    "shell": _shell,
    "literal": _literal,
    "script": _script,
    "run": _run,
    "directory": _directory,
    "checkpoint": _checkpoint,
    "scatter": _scatter,
}
