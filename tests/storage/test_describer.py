"""What Snakemake has decided, as the description that goes to a pod."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from byok8s import compat, s3
from byok8s.errors import InputError
from byok8s.jobs.description import Describer, Undescribable
from byok8s.jobs.run_description import run_description
from byok8s.worker.description import JobDescription, Member
from byok8s.worker.values import decode
from folders import write_files
from planned import planned

if TYPE_CHECKING:
    from snakemake.dag import DAG

SNAKEFILE = r"""
import os, sys
os.environ["SET_HERE"] = "yes"
SAMPLES = ["a", "b"]
class Table:
    def __repr__(self): return "a table"
TABLE = Table()
BACK = "a\\b {x}"
def helped(w):
    return SAMPLES, TABLE
rule all:
    input: "s/a.txt", "t/a.json", "r/a.txt", "d/a", "p.txt", "n.txt"
rule command:
    output: temp("s/{w}.txt"), e=ensure("s/{w}.csv", non_empty=True, sha256=lambda w: "of " + w.w)
    log: "log/{w}.log"
    params: q="it's \\ {w}", n=3
    threads: 2
    resources: mem_mb=300
    shell: "x {output[0]} {params.q:q} {BACK} {threads} {resources.mem_mb} {resources.tmpdir} {wildcards.w} > {log}"
rule scripted:
    input: "s/{w}.csv"
    output: "t/{w}.json"
    params: stem=lambda w, input: os.path.splitext(input[0])[0]
    benchmark: repeat("bench/{w}.tsv", 2)
    script: "scripts/{wildcards.w}.py"
rule code:
    output: touch("r/{w}.txt")
    run:
        print(helped(wildcards), len(SAMPLES), sys.version)
rule packaged:
    output: "p.txt"
    params: workflow.source_path("scripts/a word.txt")
    shell: "cp '{params}' {output}"
rule folder:
    output: directory("d/{w}")
    shell: f"mkdir {{output}} # {len(SAMPLES)}"
rule unsendable:
    output: "n.txt"
    params: f=object(), g=open(os.devnull)
    script: "scripts/a.py"
"""


@contextmanager
def at_work(
    folder: Path, server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Describer, DAG]]:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", server.credentials.access_key),
        ("AWS_SECRET_ACCESS_KEY", server.credentials.secret_key),
        ("AWS_ENDPOINT_URL", server.endpoint_url),
    ):
        monkeypatch.setenv(name, value)
    files = {"Snakefile": SNAKEFILE, "scripts/a.py": "print('a')\n", "scripts/a word.txt": "word\n"}
    with planned(folder, files, "all", cores=4, bucket=f"{server.bucket.url}/describer") as dag:
        run = run_description(dag.workflow, folder)
        yield Describer(run, folder, compat.source_caches(dag.workflow)), dag


@contextmanager
def described(
    folder: Path, server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, object]]:
    """By rule, what describing its job gives: a description, or the error."""
    with at_work(folder, server, monkeypatch) as (describer, dag):
        found: dict[str, object] = {"run": run_description(dag.workflow, folder)}
        for job in dag.jobs:
            try:
                found[job.rule.name] = describer.describe(job)
            except InputError as error:
                found[job.rule.name] = error
            except Undescribable as error:
                found[job.rule.name] = error
        yield found


@pytest.fixture
def found(
    tmp_path: Path, server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, object]]:
    with described(tmp_path / "flow", server, monkeypatch) as all_of_them:
        yield all_of_them


def member(found: dict[str, object], rule: str) -> Member:
    job = found[rule]
    assert isinstance(job, JobDescription), job
    ((only,),) = job.levels
    return only


def test_a_command_is_formatted_once(found: dict[str, object]) -> None:
    command = member(found, "command")
    path = command.output[0].path
    quoted = "'it'\"'\"'s \\ a'"
    assert command.action.kind == "shell"
    assert (
        command.action.text == f"x {path} {quoted} a\\b {{x}} 2 300 /byok8s/tmpdir a > {command.log[0].path}"
    )
    assert (command.threads, command.rule) == (2, "command")


def test_files_have_their_keys_and_what_the_rule_says_of_them(found: dict[str, object]) -> None:
    command = member(found, "command")
    assert [file.key for file in command.output] == ["describer/s/a.txt", "describer/s/a.csv"]
    ensured = command.output[1].ensure
    assert ensured is not None
    assert (ensured.non_empty, ensured.checksum, ensured.algorithm) == (True, "of a", "sha256")
    assert member(found, "code").output[0].touch
    assert member(found, "folder").output[0].directory


def test_a_command_of_an_f_string_is_what_python_makes_of_it(found: dict[str, object]) -> None:
    assert member(found, "folder").action.text.endswith("# 2")


def test_a_script_goes_along_with_its_values(found: dict[str, object]) -> None:
    script = member(found, "scripted")
    assert (script.action.kind, script.action.path, script.action.text) == (
        "script",
        "scripts/a.py",
        "print('a')\n",
    )
    params = script.values["params"]
    assert isinstance(params, dict)
    assert params["items"] == [script.input[0].path.removesuffix(".csv")]
    assert params["names"] == [["stem", 0, None]]
    assert (script.repeats, script.benchmark and script.benchmark.key) == (2, "describer/bench/a.tsv")


def test_code_of_the_snakefile_gets_the_variables_that_it_uses(found: dict[str, object]) -> None:
    code = member(found, "code").action
    assert code.kind == "function"
    assert {name: decode(value) for name, value in code.globals.items()} == {"SAMPLES": ["a", "b"]}
    assert code.described == {"TABLE": "a table"}


def test_what_cannot_be_sent_is_refused_by_name(found: dict[str, object]) -> None:
    error = found["unsendable"]
    assert isinstance(error, Undescribable)
    assert "The params of rule unsendable cannot be sent to a pod: a value of type TextIOWrapper" in str(
        error
    )


def test_a_run_is_described_without_what_is_this_machines(found: dict[str, object], tmp_path: Path) -> None:
    run = found["run"]
    assert run.environment["SET_HERE"] == (None, "yes")  # type: ignore[attr-defined]
    assert run.places == [(str(tmp_path / "flow"), "")]  # type: ignore[attr-defined]
    assert not {"access_key", "secret_key", "token"} & run.storage.keys()  # type: ignore[attr-defined]


def test_source_files_go_along_while_other_runs_of_the_machine_begin_and_end(
    tmp_path: Path, server: s3.EmbeddedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep theirs in one folder with this one."""
    with at_work(tmp_path / "flow", server, monkeypatch) as (describer, dag), ThreadPoolExecutor(1) as others:
        (job,) = (job for job in dag.jobs if job.rule.name == "packaged")
        own = Path(dag.workflow.sourcecache.runtime_cache_path)
        ended = Event()
        runs: list[str] = []
        running = others.submit(begin_and_end, own.parent, runs, ended)
        found: list[JobDescription] = []
        try:
            # On a busy machine few of the others have their turn in 200 descriptions: all must meet.
            while len(found) < 200 or (len(runs) < 20 and not running.done()):
                found.append(describer.describe(job))
        finally:
            ended.set()
        running.result()
    assert [[*each.files.values()] for each in found] == [[base64.b64encode(b"word\n").decode()]] * len(found)


def begin_and_end(caches: Path, runs: list[str], ended: Event) -> None:
    """Do to the folder of caches what runs do to it. Add each to the list of runs when it is over."""
    while not ended.is_set():
        with tempfile.TemporaryDirectory(dir=caches) as cache:
            write_files(Path(cache), {f"local/{n}/there.txt": "" for n in range(5)})
        runs.append(cache)
