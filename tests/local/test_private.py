"""What is the user's stays the user's: Snakemake works in a mirror of the folder, and attacks on it find links."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from folders import clean_environment, run_in, write_files

PARAMS = {"w.json": '{"workflow_target": "all"}', "p.json": "{}"}


def byok8s(folder: Path, *arguments: str, expect: int = 0) -> str:
    command = [sys.executable, "-m", "byok8s", "w", "p", "--local", *arguments]
    return run_in(folder, command, clean_environment(), expect)


def result(folder: Path, name: str) -> str:
    return (folder / ".byok8s/results" / name).read_text()


def state(folder: Path) -> Mapping[str, tuple[object, ...]]:
    """All that is the user's, with times; links as they are."""
    return {
        str(path.relative_to(folder)): (path.readlink(),)
        if path.is_symlink()
        else (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
        if not {".byok8s", ".snakemake"} & set(path.relative_to(folder).parts)
        and (path.is_file() or path.is_symlink())
    }


ATTACKS = """
rule all:
    input: "n.txt", "sub/dir/made.txt", "listed.txt", "linked/there.txt", "back.txt"
rule seed:                       # an input that has a user's file's name, and is removed
    output: temp("reads.txt")
    shell: "echo bucket > {output}"
rule use:
    input: "reads.txt"
    output: "n.txt"
    log: "logs/use.log"
    benchmark: "bench.tsv"
    shell: "cat {input} > {output}; echo said > {log}"
rule folder:                     # over a folder of the user's
    output: directory("clusters")
    shell: "mkdir -p {output}; echo 1 > {output}/1.txt"
rule listed:
    input: "clusters"
    output: "listed.txt"
    shell: "ls {input} > {output}"
rule below:
    output: "sub/dir/made.txt"
    shell: "ls sub/dir/mine.txt > {output}; echo x >> {output}"
rule linked:                     # through a link of the user's to a folder outside
    output: "linked/there.txt"
    shell: "echo y > {output}"
rule back:                       # a command that goes into a folder and out of it
    output: "back.txt"
    shell: "cd sub && echo z > ../back.txt"
"""


def test_the_users_files_are_never_touched(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    names = ["reads.txt", "n.txt", "logs/use.log", "bench.tsv", "clusters/own.txt", "listed.txt", "back.txt"]
    names += ["sub/dir/made.txt", "sub/dir/mine.txt"]
    write_files(folder, PARAMS | {"Snakefile": ATTACKS} | {name: f"mine: {name}\n" for name in names})
    write_files(tmp_path / "outside", {"there.txt": "mine\n"})
    (folder / "linked").symlink_to("../outside")
    (folder / "reads.txt").chmod(0o444)
    before, outside = state(folder), state(tmp_path / "outside")
    for _ in range(2):
        byok8s(folder)
        assert result(folder, "n.txt") == "bucket\n"
        assert result(folder, "listed.txt") == "1.txt\n"
        assert result(folder, "sub/dir/made.txt") == "sub/dir/mine.txt\nx\n"
        assert result(folder, "linked/there.txt") == "y\n"
        assert result(folder, "back.txt") == "z\n"
        assert not (folder / ".byok8s/results/reads.txt").exists()
        assert state(folder) == before
        assert state(tmp_path / "outside") == outside


def test_a_failing_job_and_a_forced_one_leave_them_too(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        PARAMS
        | {
            "Snakefile": 'rule all:\n    output: "a.txt"\n    shell: "echo half > {output}; {config[do]}"\n',
            "a.txt": "mine",
            "fails.json": '{"do": "false"}',
            "p.json": '{"do": "true"}',
        },
    )
    before = state(tmp_path)
    run_in(tmp_path, [sys.executable, "-m", "byok8s", "w", "fails", "--local"], clean_environment(), 1)
    byok8s(tmp_path)
    byok8s(tmp_path, "--force")
    assert state(tmp_path) == before


SHEET = """
import csv
SAMPLES = [row["sample"] for row in csv.DictReader(open("config/samples.tsv"))]
rule all:
    input: expand("{s}.txt", s=SAMPLES), "copy.tsv"
rule one:
    output: "{s}.txt"
    run:
        open(output[0], "w").write(wildcards.s)
rule copy:
    input: "config/samples.tsv"
    output: "copy.tsv"
    run:
        open(output[0], "w").write(open(input[0]).read() + str(len(SAMPLES)))
"""
SEED = """
rule all:
    output: "config/samples.tsv"
    shell: "printf 'sample\\nA\\nB\\n' > {output}"
"""


def test_a_sheet_that_is_read_while_parsing_and_is_an_input(tmp_path: Path) -> None:
    write_files(tmp_path, PARAMS | {"Snakefile": SEED})
    byok8s(tmp_path)
    write_files(tmp_path, {"config/samples.tsv": "sample\nA\nB\n", "Snakefile": SHEET})
    byok8s(tmp_path)
    assert result(tmp_path, "A.txt") == "A"
    assert result(tmp_path, "copy.tsv") == "sample\nA\nB\n2"
    write_files(tmp_path, {"config/samples.tsv": "sample\nA\nC\n"})
    byok8s(tmp_path)
    assert result(tmp_path, "C.txt") == "C"
    assert result(tmp_path, "copy.tsv") == "sample\nA\nC\n2"
    assert (tmp_path / "config/samples.tsv").read_text() == "sample\nA\nC\n"


READS = """
rule all:
    output: "reads/1.txt", "reads/2.txt"
    shell: "echo bucket > {output[0]}; echo bucket > {output[1]}"
"""
GLOBBED = """
SAMPLES = sorted(glob_wildcards("reads/{s}.txt").s)
def again(wildcards):
    return expand("post/{s}.txt", s=sorted(glob_wildcards("reads/{s}.txt").s))
rule all:
    input: "agg.txt"
rule post:
    input: "reads/{s}.txt"
    output: "post/{s}.txt"
    run:
        shell("cp {input} {output}; echo {n} >> {output}", n=len(SAMPLES))
rule agg:
    input: again
    output: "agg.txt"
    params: n=len(SAMPLES)
    run:
        shell("cat {input} > {output}; echo {params.n} {n} >> {output}", n=len(SAMPLES))
"""


def test_names_that_were_listed_while_parsing_stay_also_for_jobs_that_parse_again(tmp_path: Path) -> None:
    write_files(tmp_path, PARAMS | {"Snakefile": READS})
    byok8s(tmp_path)
    write_files(tmp_path, {"Snakefile": GLOBBED, "reads/1.txt": "mine\n", "reads/2.txt": "mine\n"})
    byok8s(tmp_path, "--", "--cores", "1")
    assert result(tmp_path, "agg.txt") == "mine\n2\nmine\n2\n2 2\n"
    assert (tmp_path / "reads/1.txt").read_text() == "mine\n"


WALKED = """
import os
FOUND = sorted(glob_wildcards("{group}/{s}.in").s)
HERE = sorted(os.path.relpath(os.path.join(f, n)) for f, _, ns in os.walk(".") for n in ns if n.endswith(".in"))
rule all:
    input: "agg.txt"
rule agg:
    output: "agg.txt"
    run:
        open(output[0], "w").write(" ".join([*FOUND, *HERE]))
"""


def test_what_walks_the_folder_sees_all_that_is_there(tmp_path: Path) -> None:
    """Some do not follow links, and `big` has too much to be split before somebody looks."""
    write_files(tmp_path, PARAMS | {"Snakefile": WALKED, "x/1.in": "", "big/2.in": ""})
    write_files(tmp_path, {f"big/{number}": "" for number in range(1100)})
    byok8s(tmp_path)
    assert result(tmp_path, "agg.txt") == "1 2 big/2.in x/1.in"


def test_a_snakefile_beside_the_working_folder(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "workflow/Snakefile": 'configfile: "config/c.yaml"\ninclude: "rules/a.smk"\n',
            "workflow/rules/a.smk": """
rule all:
    input: "out/a.txt"
rule a:
    input: "data.txt"
    output: "out/a.txt"
    script: "../scripts/a.py"
rule data:
    output: "data.txt"
    shell: "echo {config[word]} > {output}"
""",
            "workflow/scripts/a.py": 'open(snakemake.output[0], "w").write(open(snakemake.input[0]).read())\n',
            ".test/config/c.yaml": "word: hi\n",
            ".test/data.txt": "mine",
        },
    )
    folder = tmp_path / ".test"
    write_files(folder, PARAMS)
    before = state(tmp_path)
    byok8s(folder, "-s", "../workflow/Snakefile")
    assert result(folder, "out/a.txt") == "hi\n"
    assert state(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".test", "workflow"]
    assert "Nothing to be done" in byok8s(folder, "-s", "../workflow/Snakefile")


@pytest.mark.parametrize("how", ["workdir", "directory"])
def test_another_working_folder(how: str, tmp_path: Path) -> None:
    first, arguments = ('workdir: "work"\n', []) if how == "workdir" else ("", ["--", "--directory", "work"])
    rule = 'rule all:\n    output: "x.txt"\n    shell: "cat mine.txt {output} 2>/dev/null > new; mv new {output}"\n'
    write_files(tmp_path, PARAMS | {"Snakefile": first + rule.replace(" {output} 2>", " 2>")})
    write_files(tmp_path, {"work/mine.txt": "mine\n", "work/x.txt": "mine too\n"})
    before = state(tmp_path)
    byok8s(tmp_path, *arguments)
    assert result(tmp_path, "x.txt") == "mine\n"
    assert state(tmp_path) == before
    assert "Nothing to be done" in byok8s(tmp_path, *arguments)
    # Snakemake's notes of the job are where they are without byok8s
    write_files(tmp_path, {"Snakefile": first + rule.replace(" {output} 2>", " mine.txt 2>")})
    assert "Code has changed" in byok8s(tmp_path, *arguments)
    assert result(tmp_path, "x.txt") == "mine\nmine\n"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/elsewhere/a.txt", "is an absolute path, which no bucket has"),
        ("../a.txt", "leads out of the working folder, which no bucket has"),
    ],
)
def test_a_path_that_cannot_be_a_key_is_refused(path: str, words: str, tmp_path: Path) -> None:
    write_files(tmp_path, PARAMS | {"Snakefile": f'rule all:\n    input: "{path}"\n'})
    assert words in byok8s(tmp_path, expect=2)


CHECKPOINT = '''
rule all:
    input: "agg.txt"
checkpoint split:
    output: directory("parts")
    shell:
        """
        mkdir {output}
        for i in 1 2 3; do echo $i > {output}/$i.txt; done
        head -c 2000000 /dev/zero > {output}/4.txt
        """
def parts(wildcards):
    folder = checkpoints.split.get().output[0]
    assert open(os.path.join(folder, "1.txt")).read() == "1\\n"
    return expand("post/{i}.txt", i=sorted(glob_wildcards(os.path.join(folder, "{i}.txt")).i))
rule post:
    input: "parts/{i}.txt"
    output: "post/{i}.txt"
    shell: "wc -c < {input} > {output}"
rule agg:
    input: parts
    output: "agg.txt"
    shell: "cat {input} > {output}"
'''


def test_a_checkpoints_folder_is_there_for_input_functions_also_in_a_later_run(tmp_path: Path) -> None:
    write_files(tmp_path, PARAMS | {"Snakefile": CHECKPOINT})
    byok8s(tmp_path, "split")
    byok8s(tmp_path)
    assert result(tmp_path, "agg.txt") == "2\n2\n2\n2000000\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".byok8s",
        ".snakemake",
        "Snakefile",
        "p.json",
        "w.json",
    ]
