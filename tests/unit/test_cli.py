"""The command line, as a process of its own: words, exit codes, and what it does not load."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


def byok8s(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("BYOK8S_", "AWS_", "KUBE"))
    }
    return subprocess.run(
        [sys.executable, "-m", "byok8s", *arguments],
        cwd=cwd,
        env=kept | {"HOME": str(cwd), "AWS_EC2_METADATA_DISABLED": "true"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text("rule t:\n    output: 'a'\n    shell: 'touch {output}'\n")
    (tmp_path / "wf.json").write_text('{"workflow_target": "t"}')
    (tmp_path / "params.json").write_text("{}")
    (tmp_path / "numbers.json").write_text('{"depth": 3}')
    (tmp_path / "settings.json").write_text('{"jobs": 3}')
    return tmp_path


def test_help_names_every_flag_and_exit_code(tmp_path: Path) -> None:
    for arguments in (["run", "--help"], ["--help"]):
        done = byok8s(*arguments, cwd=tmp_path)
        assert done.returncode == 0
        assert "130  interrupted" in done.stdout
    shown = byok8s("run", "-h", cwd=tmp_path).stdout
    flags = (
        "--s3-bucket --k8s-namespace --context --snakefile --dry-run --force --jobs --image --local "
        "--s3-endpoint-url --debug -b, -k, -s, -n, -f, -j,"
    )
    for flag in flags.split():
        assert flag in shown


WITH_A_THREAD = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
import click
from byok8s.cli.common import start

def fail(later):
    time.sleep(later)
    ThreadPoolExecutor().submit(int, "one").result()

@click.command()
@click.argument("later", type=float)
@click.argument("goes_on", type=float)
def program(later, goes_on):
    threading.Thread(target=fail, args=(later,), daemon=True).start()
    time.sleep(goes_on)
    threading.Thread(target=time.sleep, args=(1,)).start()  # Python's end takes so long

start(program, "program")
"""


@pytest.mark.parametrize(("later", "goes_on", "said"), [("0", "0.5", "ValueError"), ("0.5", "0", "")])
def test_a_thread_is_heard_of_while_the_program_runs_and_not_when_python_ends_it(
    tmp_path: Path, later: str, goes_on: str, said: str
) -> None:
    command = [sys.executable, "-c", WITH_A_THREAD, later, goes_on]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert said in done.stderr
    assert bool(done.stderr) == bool(said)


def test_a_reader_that_has_ended_is_no_error(tmp_path: Path) -> None:
    """As `| head` has when it has seen enough."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "byok8s", "explain"]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_help_of_the_other_commands(tmp_path: Path) -> None:
    shown = byok8s("clean", "--help", cwd=tmp_path).stdout
    for words in (
        "--k8s-namespace",
        "--context",
        "--dry-run",
        "--yes",
        "--all",
        "[RUN]...",
        "130  interrupted",
    ):
        assert words in shown
    shown = byok8s("advise", "--help", cwd=tmp_path).stdout
    for words in ("[RUN]...", "--profile", "--json", "--s3-bucket"):
        assert words in shown
    shown = byok8s("cancel", "--help", cwd=tmp_path).stdout
    for words in ("[RUN]", "--s3-bucket", "1    it was asked to, and has not ended yet"):
        assert words in shown
    shown = byok8s("cluster", "fix-dns", "--help", cwd=tmp_path).stdout
    for words in (
        "--k8s-namespace",
        "--context",
        "--undo",
        "--dry-run",
        "--yes",
        "[SERVER]...",
        "130  interrupted",
    ):
        assert words in shown
    assert "fix-dns" in byok8s("cluster", "--help", cwd=tmp_path).stdout
    shown = byok8s("doctor", "--help", cwd=tmp_path).stdout
    for words in (
        "[WORKFLOW] [PARAMS] [TARGET]...",
        "--s3-bucket",
        "--pod-template",
        "--json",
        "130  interrupted",
    ):
        assert words in shown
    assert "[DIR]" in byok8s("init", "--help", cwd=tmp_path).stdout
    shown = byok8s("params", "--help", cwd=tmp_path).stdout
    for words in ("-s, --snakefile", "--yaml", "params.schema.yaml"):
        assert words in shown
    shown = byok8s("rbac", "--help", cwd=tmp_path).stdout
    for words in (
        "--k8s-namespace",
        "--name",
        "--user",
        "--group",
        "--service-account",
        "--no-exec",
        "--with-clean",
    ):
        assert words in shown


def test_help_of_the_local_cluster(tmp_path: Path) -> None:
    shown = byok8s("cluster", "--help", cwd=tmp_path).stdout
    for words in ("up", "down", "status", "env", "fix-dns"):
        assert f"\n  {words} " in shown
    shown = byok8s("cluster", "up", "--help", cwd=tmp_path).stdout
    for words in ("--driver", "--minikube-driver", "--image", "--image-archive", "130  interrupted"):
        assert words in shown
    assert "--json" in byok8s("cluster", "status", "--help", cwd=tmp_path).stdout
    assert "--purge" in byok8s("cluster", "down", "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize("command", [("clean",), ("cluster", "fix-dns")])
def test_without_a_cluster(command: tuple[str, ...], tmp_path: Path) -> None:
    done = byok8s(*command, cwd=tmp_path)
    assert done.returncode == 3
    assert "There is no kubeconfig" in done.stderr
    assert done.stdout == ""


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; from byok8s import cli; print([m for m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for module in ("snakemake", "kubernetes", "boto3", "urllib3", "yaml", "msgspec", "jsonschema", "rich"):
        assert f"'{module}'" not in loaded


@pytest.mark.parametrize("moving", ["fetch", "put", "remove"])
def test_what_moves_files_loads_no_snakemake(moving: str) -> None:
    code = (
        f"import sys; from byok8s.data import {moving}; from byok8s.s3 import Bucket\n"
        "from byok8s.data.fetch import connection; connection(Bucket('name', '', 'http://127.0.0.1:9'))\n"
        "print(*sys.modules)"
    )
    keys = os.environ | {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=keys
    ).stdout.split()
    assert "snakemake_storage_plugin_byok8s.connection" in loaded
    assert not {"snakemake", "snakemake_storage_plugin_s3", "tenacity", "asyncio"} & {*loaded}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such", "params", "-b", "a-bucket"], "There is no workflow file 'no-such'"),
        (["wf", "no-such", "-b", "a-bucket"], "There is no params file 'no-such'"),
        (["wf", "params", "-b", "a-bucket", "-s", "no-such"], "There is no Snakefile"),
        (["wf", "params"], "No bucket is named"),
        (["wf", "params", "-j", "many"], "'many' is not a valid integer"),
        (["no-such"], "There is no workflow file or params file 'no-such'"),
        (["Snakefile"], "A Snakefile is named with -s: byok8s -s Snakefile"),
        (["numbers", "wf", "-b", "a-bucket"], "byok8s wf numbers"),
        (["numbers", "t"], "byok8s - numbers t"),
        (["settings"], "can be a workflow file or a params file"),
        (["-s", "Snakefile", "t", "params"], "'params' is a target where it stands, and names a file"),
        (["wf", "params", "--no-such-flag"], "No such option"),
        (["run", "no-such", "params"], "There is no workflow file"),
        (["doctor", "no-such"], "There is no workflow file or params file 'no-such'"),
        (["doctor", "wf", "no-such", "-b", "a-bucket"], "There is no params file 'no-such'"),
        (["doctor", "--local"], "uses no cluster"),
        (["doctor", "-b", "Wrong_Name"], "Wrong_Name"),
        (["params"], "The workflow has no params.schema.yaml"),
        (["params", "-s", "no-such"], "Looked for no-such"),
        (["cluster", "fix-dns", "--undo", "8.8.8.8"], "takes no SERVER"),
        (["cluster", "fix-dns", "--pod", "gpus=few"], "'gpus' is not an option of a pod"),
    ],
)
def test_bad_input_is_one_short_paragraph(arguments: list[str], words: str, folder: Path) -> None:
    done = byok8s(*arguments, cwd=folder)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) <= 5
    assert not (folder / ".byok8s").exists()
    assert not (folder / ".snakemake").exists()


SCHEMA = """
required: [name]
properties:
  name: {type: string, description: Whom to greet}
  times: {type: integer, minimum: 1, maximum: 8, default: 2}
"""


@pytest.mark.parametrize("place", ["params.schema.yaml", "elsewhere/params.schema.json"])
def test_the_parameters_of_a_workflow(place: str, folder: Path) -> None:
    (folder / "elsewhere" / "workflow").mkdir(parents=True)
    snakefile = folder / "elsewhere" / "workflow" / "Snakefile"
    snakefile.touch()
    (folder / place).write_text(SCHEMA if place.endswith("yaml") else json.dumps(yaml.safe_load(SCHEMA)))
    done = byok8s("params", "--snakefile", str(snakefile), cwd=folder)
    assert done.stdout.splitlines() == [
        "NAME   TYPE            DEFAULT   DESCRIPTION",
        "name   string          required  Whom to greet",
        "times  integer 1 to 8  2",
    ]
    begin = byok8s("params", "--yaml", cwd=folder, BYOK8S_SNAKEFILE=str(snakefile)).stdout
    assert begin == "# Whom to greet\n# string; required\n# name:\n\n# integer 1 to 8\ntimes: 2\n"


def test_every_fault_of_a_params_file_is_said(folder: Path) -> None:
    (folder / "params.schema.yaml").write_text(SCHEMA)
    (folder / "params.json").write_text('{"nam": "Ada", "times": 9}')
    for arguments in (["wf", "params", "-b", "a-bucket"], ["doctor", "wf", "params", "-b", "a-bucket"]):
        done = byok8s(*arguments, cwd=folder)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            "byok8s: params.json does not fit params.schema.yaml.",
            f"  In {folder.resolve()}/params.json:",
            "    name: is required, and missing; there is nam",
            "    times: 9 is greater than the maximum of 8",
            "  `byok8s params` lists the parameters.",
        ]


def test_debug_shows_the_traceback(folder: Path) -> None:
    done = byok8s("no-such", "params", "--debug", cwd=folder)
    assert "Traceback" in done.stderr
    assert "InputError" in done.stderr


def test_the_environment_is_asked_where_a_flag_says_nothing(folder: Path) -> None:
    done = byok8s("wf", "params", cwd=folder, BYOK8S_S3_BUCKET="Wrong_Name")
    assert "Wrong_Name" in done.stderr
    done = byok8s("wf", "params", "-b", "Flag_Name", cwd=folder, BYOK8S_S3_BUCKET="Wrong_Name")
    assert "Flag_Name" in done.stderr


def test_what_comes_after_two_dashes_is_not_taken_for_targets(folder: Path) -> None:
    done = byok8s("wf", "params", "-b", "Wrong_Name", "--", "--no-such-flag-of-ours", cwd=folder)
    assert "Wrong_Name" in done.stderr
