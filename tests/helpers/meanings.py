"""Small workflows, each about one thing that has to mean the same with byok8s as with plain Snakemake."""

from __future__ import annotations

import re

import pytest
from _pytest.mark import ParameterSet

from layouts import LAYOUTS
from meaning import Meaning

ODD_NAMES = [
    *(
        "a b",
        "a+b",
        "a%20b",
        "a#b",
        "a?b",
        "a&b=c",
        "a'b",
        'a"b',
        "a$b",
        "a(b)",
        "a;b",
        "a:b",
        "a@b",
        "a,b",
        "a~b",
    ),
    *(
        "a!b",
        "a*b",
        "a[b]",
        "a^b`c",
        "x,n=2",
        "'q'",
        "a\u00a0b",
        "e\u0301-\u00fc-\u00df",
        "\u65e5\u672c",
        "-lead",
        "007",
    ),
]
ODD_VALUES = {
    "words": "a b",
    "quotes": ["'q'", '"q"', "it's", "a'b\"c"],
    "backslashes": [r"\d+", "a\\b", r"\\server\share"],
    "space": "a\u00a0b\tc",
    "shell": "$x `y` $(z)",
    "numbers": [7, 7.0, "007", 1e-9],
    "nothing": [None, "", [], {}],
    "deep": {"a": {"b": [True, {"c": "d e"}]}},
}


def only(snakefile: str, **files: str) -> Meaning:
    return Meaning({"Snakefile": snakefile, **files})


MEANINGS = {
    "a checkpoint's directory is globbed": only("""
rule all:
    input: "all.txt"
checkpoint cluster:
    output: directory("clusters")
    shell: "mkdir -p {output}; for i in 1 2 3; do echo $i > {output}/$i.txt; done"
rule after:
    input: "clusters/{i}.txt"
    output: "after/{i}.txt"
    shell: "cp {input} {output}"
def parts(wildcards):
    folder = checkpoints.cluster.get(**wildcards).output[0]
    return expand("after/{i}.txt", i=sorted(glob_wildcards(os.path.join(folder, "{i}.txt")).i))
rule aggregate:
    input: parts
    output: "all.txt"
    shell: "cat {input} > {output}"
"""),
    "a checkpoint's directory is listed, and its files opened": only("""
rule all:
    input: "all.txt"
checkpoint split:
    output: directory("parts")
    shell: "mkdir -p {output}/deep; echo 3 > {output}/count; touch {output}/deep/x {output}/y"
def parts(wildcards):
    folder = checkpoints.split.get().output[0]
    with open(os.path.join(folder, "count")) as count:
        number = int(count.read())
    return [f"part-{number}-{name}.txt" for name in sorted(os.listdir(folder)) if name[0] != "."]
rule part:
    output: "part-{n}.txt"
    shell: "echo {wildcards.n} > {output}"
rule aggregate:
    input: parts
    output: "all.txt"
    shell: "cat {input} > {output}"
"""),
    "paths are built on a checkpoint's output": only("""
rule all:
    input: "all.txt"
checkpoint split:
    output: directory("parts")
    shell: "mkdir -p {output}; echo 1 > {output}/1.txt; echo 2 > {output}/2.txt"
def parts(wildcards):
    folder = checkpoints.split.get().output[0]
    pattern = os.path.join(folder, "{i}.txt")
    return expand(pattern, i=sorted(glob_wildcards(pattern).i))
rule aggregate:
    input: parts
    output: "all.txt"
    shell: "cat {input} > {output}"
"""),
    "functions look at what jobs have made": only("""
import glob
rule all:
    input: "all.txt"
rule one:
    output: "made/{i}.txt"
    shell: "printf '%*s' {wildcards.i} x > {output}"
rule folder:
    output: directory("made/deep/folder")
    shell: "mkdir -p {output}/in; for i in 1 2 3; do echo $i > {output}/in/$i.txt; echo $i > {output}/$i.txt; done"
def size(wildcards, input):
    assert os.path.isfile("made/3.txt") and os.path.exists(input[0]), "not evaluated before its inputs are there"
    return os.path.getsize("made/3.txt")
def content(wildcards, input):
    return [open(path).read().strip() + str(os.stat(path).st_size) for path in input[:3]]
def found(wildcards, input):
    names = [name for name in os.listdir("made/deep/folder") if not name.startswith(".")]
    return sorted(glob.glob("made/*.txt")) + sorted(names)
def within(wildcards, input):
    os.stat(input[-1])
    assert os.path.isdir("made/deep/folder/in")
    return open("made/deep/folder/in/2.txt").read().strip()
rule after:
    input: expand("made/{i}.txt", i=[1, 2, 3]), "made/deep/folder"
    output: "all.txt"
    params: content=content, found=found, within=within
    resources: odd=size
    shell: "echo {params.content} {params.found} {params.within} {resources.odd} > {output}"
"""),
    "an input function asks what is there": only("""
rule all:
    input: "all.txt"
checkpoint split:
    output: directory("parts"), "count.txt"
    shell: "mkdir {output[0]}; for i in 1 2; do echo $i > {output[0]}/$i.txt; done; echo 2 > {output[1]}"
rule also:
    output: "also.txt"
    shell: "echo also > {output}"
def parts(wildcards):
    checkpoints.split.get()
    wanted = [f"parts/{i}.txt" for i in range(5) if os.path.exists(f"parts/{i}.txt")]
    return wanted + (["also.txt"] if os.path.getsize("count.txt") == 2 else [])
rule together:
    input: parts
    output: "all.txt"
    shell: "cat {input} > {output}"
"""),
    "data are globbed while the Snakefile is parsed": only(
        """
SAMPLES = sorted(glob_wildcards("reads/{s}.txt").s)
rule all:
    input: "all.txt"
rule post:
    input: "reads/{s}.txt"
    output: "post/{s}.txt"
    shell: "cp {input} {output}"
rule aggregate:
    input: expand("post/{s}.txt", s=SAMPLES)
    output: "all.txt"
    params: n=len(SAMPLES)
    shell: "cat {input} > {output}; echo n={params.n} >> {output}"
""",
        **{"reads/a.txt": "1\n", "reads/b.txt": "2\n"},
    ),
    "a sheet is read while the Snakefile is parsed": only(
        """
import csv
with open("config/samples.tsv") as sheet:
    SAMPLES = [row["sample"] for row in csv.DictReader(sheet, delimiter="\\t")]
rule all:
    input: expand("{s}.txt", s=SAMPLES)
rule one:
    output: "{s}.txt"
    run:
        with open(output[0], "w") as out:
            print(wildcards.s, SAMPLES, file=out)
""",
        **{"config/samples.tsv": "sample\nA\nB\n"},
    ),
    "a sheet is read, and is an input": only(
        """
SAMPLES = open("samples.txt").read().split()
rule all:
    input: expand("{s}.txt", s=SAMPLES)
rule one:
    input: "samples.txt"
    output: "{s}.txt"
    shell: "grep {wildcards.s} {input} > {output}"
""",
        **{"samples.txt": "A\nB\n"},
    ),
    "wildcards with a comma": only("""
rule all:
    input: "o/x.txt", "o/x,n=2.txt"
rule make:
    output: "o/{n}.txt"
    shell: "printf %s {wildcards.n:q} > {output:q}"
"""),
    "odd names": only(f"""
NAMES = {ODD_NAMES!r}
rule all:
    input: expand("out/{{n}}.txt", n=NAMES)
rule make:
    output: "mid/{{n}}.txt"
    shell: "printf %s {{wildcards.n:q}} > {{output:q}}"
rule copy:
    input: "mid/{{n}}.txt"
    output: "out/{{n}}.txt"
    group: "copies"
    shell: "cat {{input:q}} > {{output:q}}"
"""),
    "odd values of config and params": Meaning(
        {
            "Snakefile": """
rule all:
    input: "shell.txt", "script.txt", "run.txt"
rule shell_:
    output: "shell.txt"
    params: value=repr(config)
    shell: "printf %s {params.value:q} > {output}"
rule script_:
    output: "script.txt"
    params: value=config
    script: "write.py"
rule run_:
    output: "run.txt"
    params: value=config
    run:
        with open(output[0], "w") as out:
            print(repr(params.value), repr(config), file=out)
""",
            "write.py": "with open(snakemake.output[0], 'w') as out:\n"
            "    print(repr(snakemake.params.value), repr(snakemake.config), file=out)\n",
        },
        config=ODD_VALUES,
    ),
    "a command names its own output's path": only("""
rule all:
    input: "results/b.txt"
rule a:
    output: "results/a.txt"
    shell: "echo hi > results/a.txt"
rule b:
    input: "results/a.txt"
    output: "results/b.txt"
    shell: "cat results/a.txt > {output}"
"""),
    "paths show what they are at home": only("""
rule all:
    input: "out/paths.txt"
rule a:
    output: "in/a.txt"
    shell: "echo {output} > {output}"
rule b:
    input: "in/a.txt"
    output: "out/paths.txt"
    log: "logs/b.log"
    params: stem=lambda wildcards, input, output: f"{input[0]}:{output[0]}"
    shell: "echo {input} {output} {log} {params.stem} | tee {log} > {output}; cat {input} >> {output}"
"""),
    "expand of a rule's output": only("""
rule all:
    input: "all.txt"
rule one:
    output: "{s}.txt"
    shell: "echo {wildcards.s} > {output}"
rule merge:
    input: expand(rules.one.output, s=["a", "b"])
    output: "all.txt"
    shell: "cat {input} > {output}"
"""),
    "ensure": only("""
rule all:
    input: "a.txt", "b.txt"
rule a:
    output: ensure("a.txt", non_empty=True)
    shell: "echo e > {output}"
rule b:
    output: ensure("b.txt", sha256="87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7")
    shell: "echo a > {output}"
"""),
    "ensure fails for an empty file": Meaning(
        {"Snakefile": 'rule a:\n    output: ensure("a.txt", non_empty=True)\n    shell: "touch {output}"\n'},
        fails=True,
    ),
    "ensure fails for another checksum": Meaning(
        {
            "Snakefile": f'rule a:\n    output: ensure("a.txt", sha256="{"0" * 64}")\n'
            '    shell: "echo a > {output}"\n'
        },
        fails=True,
    ),
    "wildcard_constraints after the rules": only("""
rule all:
    input: "result/a.txt", "result/b.txt"
rule a:
    output: "result/{x}.txt"
    wildcard_constraints: x="a"
    shell: "echo a > {output}"
rule b:
    output: "result/{sample}.txt"
    shell: "echo b > {output}"
wildcard_constraints:
    sample="b"
"""),
    "pathvars of a rule": only("""
pathvars:
    results="made"
rule all:
    input: "made/a.txt"
rule a:
    output: "<results>/<name>.txt"
    pathvars: name="a"
    shell: "echo {output} > {output}"
"""),
    "service": only("""
rule all:
    input: "taken.txt"
rule serve:
    output: service("served")
    shell: "ln -s /dev/zero {output}; sleep 1000"
rule take:
    input: "served"
    output: "taken.txt"
    shell: "head -c 3 {input} > {output}"
"""),
    "pipe": only("""
rule all:
    input: "out.txt"
rule give:
    output: pipe("given")
    shell: "echo piped > {output}"
rule take:
    input: "given"
    output: "out.txt"
    shell: "cat {input} > {output}"
"""),
    "a temp() that nobody takes": only("""
rule all:
    input: "test.txt"
rule use:
    input: "a.txt"
    output: "test.txt"
    shell: "cp {input} {output}"
rule make:
    output: temp("a.txt"), temp("b.txt")
    shell: "touch {output}"
"""),
    "temp() in a group": only("""
rule all:
    input: "c.txt"
rule a:
    output: temp("a.txt")
    group: "g"
    shell: "echo a > {output}"
rule b:
    input: "a.txt"
    output: temp("b.txt")
    group: "g"
    shell: "cat {input} > {output}"
rule c:
    input: "a.txt", "b.txt"
    output: "c.txt"
    group: "g"
    shell: "cat {input} > {output}"
"""),
    "a wildcard in a script's path": only(
        'rule all:\n    input: "x.txt"\nrule s:\n    output: "{w}.txt"\n    script: "write_{wildcards.w}.py"\n',
        **{"write_x.py": "open(snakemake.output[0], 'w').write('right')\n"},
    ),
    "conda: names a file below a folder": Meaning(
        {
            "workflow/Snakefile": 'include: "rules/b.smk"\nrule a:\n    input: "b.txt"\n    output: "a.txt"\n'
            '    conda: "envs/a.yaml"\n    shell: "cat {input} > {output}"\n',
            "workflow/rules/b.smk": 'rule b:\n    output: "b.txt"\n    conda: "../envs/a.yaml"\n'
            '    shell: "echo hi > {output}"\n',
            "workflow/envs/a.yaml": "channels: [conda-forge]\ndependencies: [python=3.12]\n",
        },
        targets=["a.txt"],
    ),
    "a directory, and a file of it": only(
        'rule all:\n    input: "d/1.txt", "d"\n    output: "list.txt"\n    shell: "ls {input[1]} > {output}"\n',
        **{"d/1.txt": "1\n", "d/2.txt": "2\n"},
    ),
    "a directory with folders alone, which is in the user's folder, too": only(
        'rule all:\n    input: "d"\n    output: "list.txt"\n    shell: "cat {input}/a/b/*.txt > {output}"\n',
        **{"d/a/b/1.txt": "1\n", "d/a/b/2.txt": "2\n"},
    ),
    "workflow.source_path() as an input": Meaning(
        {
            "workflow/Snakefile": 'rule all:\n    input: workflow.source_path("../resources/a.txt")\n'
            '    output: "a.txt"\n    shell: "cp {input} {output}"\n',
            "resources/a.txt": "a\n",
        },
        snakefile="workflow/Snakefile",
    ),
    "a directory in one rule, and a file of it in another at once": only(
        """
rule all:
    input: "x.txt", "list.txt"
rule file:
    input: "d/1.txt"
    output: "x.txt"
    shell: "sleep 2; cp {input} {output}"
rule first:
    output: "y.txt"
    shell: "sleep 0.5; touch {output}"
rule folder:
    input: "d", "y.txt"
    output: "list.txt"
    shell: "ls {input[0]} > {output}"
""",
        **{"d/1.txt": "1\n", "d/2.txt": "2\n"},
    ),
    "a resource from the size of an input in a group": only("""
rule all:
    input: "a.txt"
rule b:
    output: "b.txt"
    group: "g"
    shell: "echo x > {output}"
rule a:
    input: "b.txt"
    output: "a.txt"
    group: "g"
    resources: mem_mb=lambda wildcards, input: max(100, int(2 * input.size_mb))
    shell: "echo mem={resources.mem_mb} > {output}"
"""),
    "threads are a part of the cores": only(
        'rule a:\n    output: "a.txt"\n    threads: workflow.cores * 0.5\n    shell: "echo {threads} > {output}"\n'
    ),
    "more threads than cores": only(
        'rule a:\n    output: "a.txt"\n    threads: 8\n    shell: "echo {threads} > {output}"\n'
    ),
    "a profile says how many cores there are": Meaning(
        {
            "Snakefile": 'rule a:\n    output: "a.txt"\n    threads: workflow.cores / 2\n'
            '    shell: "echo {threads} > {output}"\n',
            "profiles/default/config.yaml": "cores: 4\n",
        },
        cores=4,
    ),
    "workdir": Meaning(
        {
            "Snakefile": 'workdir: "work"\nrule all:\n    input: "x.txt"\n'
            'rule x:\n    input: "in.txt"\n    output: "x.txt"\n'
            '    shell: "cat {input} > {output}; basename $PWD >> {output}"\n',
            "work/in.txt": "in\n",
        },
        directory="work",
    ),
    **LAYOUTS,
    "a folder as cache": Meaning(
        {
            "Snakefile": 'rule c:\n    output: "c.txt"\n    cache: True\n    shell: "echo c > {output}"\n',
            "cache/.keep": "",
        },
        flags=["--cache"],
    ),
    "params, logs and benchmarks": only("""
rule all:
    input: "a.txt"
rule a:
    output: "a.txt"
    log: "logs/a.log"
    benchmark: "benchmarks/a.tsv"
    params:
        number=3, words=["x y", "z"], named=lambda wildcards, output: output[0].upper()
    shell: "echo {params.number} {params.words} {params.named} > {output}; echo logged > {log}"
"""),
    "a command names what rules upstream have made": only("""
rule all:
    input: "c.txt"
rule a:
    output: "made/a.txt", "made/other.txt"
    log: "logs/a.log"
    benchmark: "logs/a.tsv"
    shell: "echo a > {output[0]}; echo other > {output[1]}; echo logged > {log}"
rule b:
    input: "made/a.txt"
    output: "b.txt", temp("b.tmp")
    shell: "cat {input} ./made/other.txt > {output[0]}; touch {output[1]}"
rule c:
    input: "b.txt"
    output: "c.txt"
    shell: "cat {input} 'logs/a.log' made/other.txt > {output}; test -f logs/a.tsv; test ! -e b.tmp"
"""),
    "an output that is a link to another one, which is not needed any more": only("""
rule all:
    input: "a.out", "b.out"
rule both:
    output: "deep/a.txt", "deep/b.txt"
    shell: "echo a > {output[0]}; ln -s a.txt {output[1]}"
rule a:
    input: "deep/a.txt"
    output: "a.out"
    shell: "cp {input} {output}"
rule b:
    input: "deep/b.txt"
    output: "b.out"
    shell: "for i in 1 2 3 4 5; do if test -e deep/a.txt; then sleep 0.3; fi; done; cat {input} > {output}"
"""),
    "attempts": Meaning(
        {
            "Snakefile": 'rule a:\n    output: "a.txt"\n    retries: 2\n'
            "    resources: try_=lambda wildcards, attempt: attempt\n"
            '    shell: "echo {resources.try_} > {output}; test {resources.try_} = 2"\n'
        },
    ),
    "scatter and gather": Meaning(
        {
            "Snakefile": """
scattergather: split=3
rule all:
    input: "all.txt"
rule scatter:
    output: scatter.split("parts/{scatteritem}.txt")
    shell: "for part in {output}; do echo $part > $part; done"
rule one:
    input: "parts/{scatteritem}.txt"
    output: "done/{scatteritem}.txt"
    shell: "cp {input} {output}"
rule gather:
    input: gather.split("done/{scatteritem}.txt")
    output: "all.txt"
    shell: "cat {input} > {output}"
"""
        },
        flags=["--set-scatter", "split=2"],
    ),
    "update() of a file and of a directory": Meaning(
        {
            "Snakefile": """
rule all:
    input: "old.txt", "log.txt", "folder"
rule before:
    input: before_update("log.txt")
    output: "old.txt"
    shell: "cp {input} {output}"
rule file:
    input: "in.txt"
    output: update("log.txt")
    shell: "cat {input} >> {output}"
rule folder:
    input: "in.txt"
    output: update(directory("folder"))
    shell: "cp {input} {output}/new.txt"
""",
            "in.txt": "new\n",
            "log.txt": "old\n",
            "folder/old.txt": "old\n",
        },
        flags=["--forcerun", "file", "folder"],
    ),
    "a rule's failure removes its output": Meaning(
        {"Snakefile": 'rule a:\n    output: "a.txt"\n    shell: "echo half > {output}; exit 3"\n'}, fails=True
    ),
}

# right if the largest node has as many cores as plain Snakemake is given: the rig's, unless it says that it is larger
BY_CORES = {"threads are a part of the cores", "more threads than cores"}


CORES_OF_A_TEST = 2  # of the rig's node, while others run beside it: scripts/test.sh


def parameters(place: str) -> list[ParameterSet]:
    """Return the names as parameters of a test."""
    return [
        pytest.param(name, marks=[pytest.mark.alone] if place == "cluster" and _is_alone(name) else [])
        for name in MEANINGS
    ]


def _is_alone(name: str) -> bool:
    """Whether others on the cluster's node change it, or keep it waiting, as it needs most of the node for itself."""
    asked = re.findall(r"^ *threads: (\d+)$", "\n".join(MEANINGS[name].files.values()), re.MULTILINE)
    return name in BY_CORES or any(int(threads) > CORES_OF_A_TEST for threads in asked)
