"""byok8s' scheduler in a real Snakemake, as the byok8s command sets it up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import second_try
from byok8s.shown import LINE_LENGTH
from folders import clean_environment, run_in, start_in, write_files

SNAKEFILE = """
import random
random.seed(13)
N = 40
NEEDS = {i: sorted(random.sample(range(i), k=random.randint(0, min(i, 2)))) for i in range(N)}
SIZES = {i: (random.randint(0, 3), random.choice([1000, 2000])) for i in range(N)}

rule all:
    input: [f"work/{i}.txt" for i in range(N)]
rule work:
    input: lambda wildcards: [f"work/{i}.txt" for i in NEEDS[int(wildcards.i)]]
    output: "work/{i}.txt"
    priority: 1
    resources:
        gpu=lambda wildcards: SIZES[int(wildcards.i)][0],
        mem_mb=lambda wildcards, attempt: SIZES[int(wildcards.i)][1] * attempt
    shell: "cat {input} /dev/null >/dev/null; date +'%s.%N' >{output}; echo {resources.gpu} {resources.mem_mb}"
           " >>{output}; sleep 0.1; test {wildcards.i} != 7 -o {resources.mem_mb} -gt {config[once]};"
           " date +'%s.%N' >>{output}"
"""

# Snakemake as it is, which counts a job that waits as running
LOSING = "from byok8s import cli, compat; compat.count_as_waiting = lambda job: None; cli.main()"


@pytest.mark.parametrize("group", ["", "some"])
@pytest.mark.parametrize("more", [(), ("--keep-going",)])
def test_a_job_that_waits_for_another_try_outlives_a_checkpoint(
    more: tuple[str, ...], group: str, tmp_path: Path
) -> None:
    with second_try.gates() as gates:
        write_files(tmp_path, {"Snakefile": second_try.snakefile(gates, group=group)})
        second_try.led(start_in(tmp_path, limited("-m", "byok8s", *more), clean_environment()), gates)
    assert {"again.txt", "held.txt", "all.txt"} <= made(tmp_path)


@pytest.mark.parametrize("scheduler", ["ilp", "byok8s"])
def test_a_run_that_has_lost_a_job_is_not_complete(scheduler: str, tmp_path: Path) -> None:
    more = ("--keep-going", "--scheduler", scheduler)
    with second_try.gates() as gates:
        write_files(tmp_path, {"Snakefile": second_try.snakefile(gates)})
        run = start_in(tmp_path, limited("-c", LOSING, *more), clean_environment())
        said = second_try.led(run, gates, expect=1)
        assert "ended without jobs that were still to be made (2):\n    again: again.txt\n    all\n" in said
        assert "failed" in run_in(tmp_path, [sys.executable, "-m", "byok8s", "status"], clean_environment())
        run_in(tmp_path, limited("-m", "byok8s", *more), clean_environment())
    assert "again.txt" in made(tmp_path)


def limited(way: str, program: str, *more: str) -> list[str]:
    words = ("-s", "Snakefile", "--local", "--", "--cores", "8", "--resources", "slot=1", *more)
    return [sys.executable, way, program, *words]


def made(folder: Path) -> set[str]:
    return {file.name for file in (folder / ".byok8s/results").iterdir()}


def test_resources_are_not_exceeded_and_a_retry_gets_more(tmp_path: Path) -> None:
    write_files(tmp_path, {"Snakefile": SNAKEFILE, "params.json": '{"once": 2000}'})
    words = ("--cores", "6", "--resources", "gpu=4", "mem_mb=7000", "--retries", "2", "--scheduler", "byok8s")
    command = [sys.executable, "-m", "byok8s", "-", "params", "--local", "--", *words]
    said = run_in(tmp_path, command, clean_environment())
    files = list((tmp_path / ".byok8s/results/work").iterdir())
    assert len(files) == 40
    jobs = []
    for file in files:
        start, needs, end = file.read_text().splitlines()
        gpu, memory = map(int, needs.split())
        # Snakemake counts a retry with what its first try needed
        jobs.append((float(start), float(end), gpu, 1000 if file.name == "7.txt" else memory))
    for moment in (start for start, *_ in jobs):
        at_once = [job for job in jobs if job[0] <= moment < job[1]]
        assert len(at_once) <= 6
        assert sum(gpu for _, _, gpu, _ in at_once) <= 4
        assert sum(memory for *_, memory in at_once) <= 7000
    assert "Trying to restart job" in str(said)


def test_a_job_with_many_inputs_is_announced_in_short(tmp_path: Path) -> None:
    snakefile = """
rule all:
    input: [f"made/{i:05}.txt" for i in range(1000)]
    output: "all.txt"
    shell: "ls made | wc -l > {output}"
rule make:
    output: [f"made/{i:05}.txt" for i in range(1000)]
    shell: "touch {output}"
"""
    write_files(tmp_path, {"Snakefile": snakefile})
    command = [sys.executable, "-m", "byok8s", "-", "-", "--local"]
    said = str(run_in(tmp_path, command, clean_environment()))
    assert "... and" in said
    assert max(map(len, said.splitlines())) < LINE_LENGTH + 50
    assert (tmp_path / ".byok8s/results/all.txt").read_text().strip() == "1000"
