"""`--local`: the same request on this machine, with the embedded S3 server for a bucket."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from byok8s import files, s3
from byok8s.s3.embedded import embedded_server
from folders import run_in
from happened import events_of, of_kind

SEED = Path(__file__).parents[2] / "examples" / "seed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SEED, tmp_path / "seed", ignore=shutil.ignore_patterns(".*"))
    return tmp_path / "seed"


def environment() -> dict[str, str]:
    """This machine's, without a cluster, a bucket or keys."""
    ours = ("BYOK8S_", "AWS_ACCESS", "AWS_SECRET", "AWS_ENDPOINT", "KUBE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"KUBECONFIG": "/nonexistent"}


def start(
    folder: Path, *arguments: str, more: Mapping[str, str] = MappingProxyType({})
) -> subprocess.Popen[str]:
    """more: for its environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "byok8s", *arguments, "--local"],
        cwd=folder,
        env=environment() | dict(more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(
    folder: Path, *arguments: str, expect: int = 0, more: Mapping[str, str] = MappingProxyType({})
) -> str:
    return run_in(
        folder,
        [sys.executable, "-m", "byok8s", *arguments, "--local"],
        environment() | dict(more),
        expect,
    )


def read(folder: Path, key: str) -> str:
    """A result, from where the run's last line says; the same as in the server, read by its own keys."""
    with embedded_server(folder / ".byok8s" / "s3") as server:
        client = s3.connect(server.endpoint_url, server.credentials)
        body = client.get_object(Bucket=server.bucket.name, Key=key)["Body"]
        kept = str(body.read().decode())
    assert (folder / ".byok8s" / "results" / key).read_text() == kept
    return kept


@pytest.mark.parametrize("name", ["blue", "red"])
def test_alpha(name: str, folder: Path) -> None:
    said = run(folder, "workflow-alpha", f"params-{name}")
    assert "this machine" in said
    assert said.splitlines()[-1] == f"Results: {folder.resolve()}/.byok8s/results"
    assert read(folder, "alpha.txt") == f"alpha {name}\n"


def test_a_second_run_finds_the_first_ones_results(folder: Path) -> None:
    run(folder, "workflow-zeta", "params-blue")
    assert "Nothing to be done" in run(folder, "workflow-zeta", "params-blue")
    assert read(folder, "zeta.txt") == "zeta a1 blue\nzeta a2 blue\nzeta b1 blue\nzeta b2 blue\nzeta blue\n"


SCHEMA = """
required: [name]
additionalProperties: false
properties:
  name: {type: string}
  greeting: {type: object, default: {}, properties: {word: {type: string, default: good morning}}}
"""


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_default_that_only_the_schema_gives(suffix: str, folder: Path) -> None:
    (folder / "params.schema.yaml").write_text(SCHEMA)
    (folder / "Snakefile").write_text(
        "rule target1:\n    output: 'x'\n"
        "    params: word=config['greeting']['word'], name=config['name']\n"
        "    shell: 'echo {params.word} {params.name} > {output}'\n"
    )
    (folder / f"params-ada{suffix}").write_text('{"name": "Ada"}')
    run(folder, "workflow-alpha", "params-ada")
    assert read(folder, "x") == "good morning Ada\n"
    [copy] = folder.glob(f".byok8s/runs/*/params{suffix}")
    assert files.load(copy) == {"name": "Ada", "greeting": {"word": "good morning"}}


def test_a_params_file_that_does_not_fit_is_refused_before_anything_is_made(folder: Path) -> None:
    (folder / "params.schema.yaml").write_text(SCHEMA)
    (folder / "params-ada.yaml").write_text("nam: Ada\ngreeting: {word: 3}\n")
    said = run(folder, "workflow-alpha", "params-ada", expect=2)
    for line in (
        "greeting.word: 3 is not of type 'string'",
        "nam: is not a name that the schema knows; did you mean name?",
        "name: is required, and missing; there is nam",
    ):
        assert f"\n    {line}\n" in said
    assert not [*folder.glob(".byok8s"), *folder.glob(".snakemake")]


def test_a_failed_job_and_its_words(folder: Path) -> None:
    (folder / "Snakefile").write_text(
        "rule target1:\n    output: 'x'\n    log: 'logs/x.log'\n    shell: 'echo the reason > {log}; exit 3'\n"
    )
    said = run(folder, "workflow-alpha", "params-blue", expect=1)
    (more,) = re.findall(r"^More: byok8s (logs .*)$", said, re.MULTILINE)
    words = f"Failed: exit code 3.\nLast lines of logs/x.log:\n    the reason\nMore: byok8s {more}\n"
    assert f"{words}What to do: byok8s explain exit-code" in said
    for named in (more.split(), ["logs", "target1"], ["logs", "x"], ["logs", "--failed"]):
        assert "\nthe reason\n" in run_in(folder, [sys.executable, "-m", "byok8s", *named], environment())
    ended = [event for event in events_of(folder) if str(event["event"]).endswith(".ended")]
    assert [(event["event"], event["state"], event["exit"]) for event in ended] == [
        ("job.ended", "EXECUTOR_ERROR", 3),
        ("run.ended", "EXECUTOR_ERROR", 1),
    ]
    assert ": failed, 0 of 1 jobs done, 1 failed" in status(folder)
    assert "exit code 3 (exit-code)\n    More: byok8s logs " in status(folder)
    command = [sys.executable, "-m", "byok8s", "report", "-o", "report.html"]
    assert run_in(folder, command, environment()) == "Report: report.html\n"
    assert "the reason</pre>" in (folder / "report.html").read_text()


def test_what_a_job_leaves_beside_its_output_is_in_the_folder(folder: Path) -> None:
    (folder / "Snakefile").write_text("rule target1:\n    output: 'x'\n    shell: 'touch x x.side'\n")
    run(folder, "workflow-alpha", "params-blue")
    assert (folder / "x.side").is_file()


def test_a_pattern_of_files_to_keep_that_leads_outside_is_refused(folder: Path) -> None:
    (folder / "Snakefile").write_text(
        "rule target1:\n    output: 'x'\n    resources: byok8s_keep='../*'\n    shell: 'touch x'\n"
    )
    said = run(folder, "workflow-alpha", "params-blue", expect=2)
    assert "byok8s_keep='../*' of rule target1 leads out of the working folder." in said


def test_an_unknown_target_is_bad_input(folder: Path) -> None:
    assert "No rule to produce no-such" in run(folder, "workflow-alpha", "params-blue", "no-such", expect=2)


def test_ctrl_c_ends_jobs_and_server(folder: Path) -> None:
    (folder / "Snakefile").write_text("rule target1:\n    output: 'x'\n    shell: 'echo started; sleep 60'\n")
    started = start(folder, "workflow-alpha", "params-blue")
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith("started"):
            break
    began = time.monotonic()
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: to all of the command's processes
    said, _ = started.communicate(timeout=50)
    assert started.returncode == 130, said
    assert time.monotonic() - began < 50
    assert "Traceback" not in said
    with embedded_server(folder / ".byok8s" / "s3"):
        pass  # the first server has let go of its data


def test_a_second_one_in_the_folder_is_refused_and_a_killed_one_goes_on(folder: Path) -> None:
    snakefile = (
        "rule target1:\n    output: 'x'\n    shell: 'echo started; sleep {}; echo made > {{output}}'\n"
    )
    (folder / "Snakefile").write_text(snakefile.format(60))
    first = start(folder, "workflow-alpha", "params-blue")
    said = []
    assert first.stdout is not None
    for line in first.stdout:
        said.append(line)
        if line.startswith("started"):
            break
    run_id = run_of("".join(said))
    refusal = run(folder, "workflow-alpha", "params-blue", expect=3)
    assert f"Another byok8s is at work in this folder: run {run_id}, process {first.pid} of" in refusal
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert f"{run_id}: its controller is gone; the same command goes on with it, 0 of 1" in status(folder)
    (folder / "Snakefile").write_text(snakefile.format(0))
    second = run(folder, "workflow-alpha", "params-blue")
    assert f"{run_id} (goes on; its controller was last heard of at " in second
    assert read(folder, "x") == "made\n"
    assert f"{run_id}: complete, 1 of 1 jobs done" in status(folder)
    assert [event["resumed"] for event in of_kind(events_of(folder), "run.started")] == [False, True]
    assert run_of(run(folder, "workflow-alpha", "params-blue")) != run_id


def status(folder: Path) -> str:
    return run_in(folder, [sys.executable, "-m", "byok8s", "status"], environment())


def run_of(said: str) -> str:
    found = re.search(r"^    run: +(\S+)", said, re.MULTILINE)
    assert found, said
    return found[1]


def test_two_folders_with_one_bucket(folder: Path, tmp_path: Path) -> None:
    """The second is refused, unless it says otherwise."""
    (folder / "Snakefile").write_text("rule target1:\n    output: 'x'\n    shell: 'echo started; sleep 60'\n")
    shutil.copytree(SEED, tmp_path / "other", ignore=shutil.ignore_patterns(".*"))
    with embedded_server(tmp_path / "s3") as server:
        keys = server.credentials
        there = {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
        there |= {"BYOK8S_S3_BUCKET": "local/p", "BYOK8S_S3_ENDPOINT_URL": server.endpoint_url}
        first = start(folder, "workflow-alpha", "params-blue", more=there)
        assert first.stdout is not None
        said = next(line for line in first.stdout if line.startswith(("started", "byok8s:")))
        assert said.startswith("started")
        refusal = run(tmp_path / "other", "workflow-alpha", "params-blue", expect=3, more=there)
        assert "Another run uses s3://local/p: run " in refusal
        assert f"process {first.pid} of" in refusal
        run(tmp_path / "other", "workflow-alpha", "params-blue", "--dry-run", more=there)
        run(tmp_path / "other", "workflow-alpha", "params-blue", "--ignore-lock", more=there)
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        # the first may have taken the lock again before it was killed
        run(tmp_path / "other", "workflow-alpha", "params-blue", "--ignore-lock", more=there)
        client = s3.connect(server.endpoint_url, keys)
        assert client.get_object(Bucket="local", Key="p/alpha.txt")["Body"].read() == b"alpha blue\n"
        left = client.list_objects_v2(Bucket="local", Prefix="p/.byok8s/").get("Contents", [])
        # how files were made stays with them, and what has happened in runs
        kept = ("p/.byok8s/records/", "p/.byok8s/runs/")
        assert [each["Key"] for each in left if not each["Key"].startswith(kept)] == []


def test_the_quickstarts_own_workflow(tmp_path: Path) -> None:
    """Its files stand in the document, each with its name in the first line; the bucket's name is another here."""
    document = (SEED.parents[1] / "docs" / "quickstart.md").read_text()
    for name, content in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", document, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(content)
    with embedded_server(tmp_path / "s3") as server:
        client = s3.connect(server.endpoint_url, server.credentials)
        client.put_object(Bucket=server.bucket.name, Key="project-1/reads.fq", Body=b"@r1\nACGT\n+\nIIII\n")
        keys = {
            "AWS_ACCESS_KEY_ID": server.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": server.credentials.secret_key,
            "BYOK8S_S3_BUCKET": f"{server.bucket.name}/project-1",
            "BYOK8S_S3_ENDPOINT_URL": server.endpoint_url,
        }
        run(tmp_path, "workflow-report", "params-first", more=keys)
        body = client.get_object(Bucket=server.bucket.name, Key="project-1/report.txt")["Body"].read()
    assert body.decode().splitlines()[1:] == ["The first one"]
    assert body.startswith(b"4 ")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_records_copy_of_the_params_is_for_those_who_could_read_them(mode: int, folder: Path) -> None:
    params = folder / "params-blue.json"
    params.chmod(mode)
    run(folder, "workflow-alpha", "params-blue")
    (copy,) = folder.glob(".byok8s/runs/*/params.json")
    assert copy.stat().st_mode & 0o777 == mode
    assert copy.parent.stat().st_mode & 0o777 == 0o700


def test_snakemakes_own_report_of_the_results_comes_into_the_folder(folder: Path) -> None:
    snakefile = "rule a:\n    output: report('a.txt', category='Sums')\n    shell: 'echo 42 > {output}'\n"
    (folder / "Snakefile").write_text(snakefile)
    run(folder, "-s", "Snakefile")
    words = ("-s", "Snakefile", "--local", "--", "--report", "results.html")
    run_in(folder, [sys.executable, "-m", "byok8s", *words], environment())
    assert "a.txt" in (folder / "results.html").read_text()
