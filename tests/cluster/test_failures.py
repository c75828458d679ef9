"""A job that fails: its exit code, its last lines, what else goes on, and that nothing is left."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from byok8s.kube.json import text
from corner import Cluster


def workflow(cluster: Cluster, shell: str, rule: str = "only", **more: str) -> None:
    cluster.write(
        {
            "Snakefile": f"rule {rule}:\n    output: 'out.txt'\n    shell: {shell!r}\n",
            "wf.yaml": f"workflow_target: {rule}\n",
            "params.yaml": "",
            **more,
        }
    )


def await_line(run: subprocess.Popen[str], word: str) -> str:
    """The output up to a line with `word`."""
    assert run.stdout is not None
    said = ""
    for line in run.stdout:
        said += line
        if word in line:
            return said
    raise AssertionError(f"{word!r} was never said:\n{said}")


def await_pod(cluster: Cluster, phase: str = "Running") -> str:
    for _ in range(240):
        for pod in cluster.objects("pods"):
            if text(pod, "status", "phase") == phase:
                return text(pod, "metadata", "name")
        time.sleep(0.25)
    raise AssertionError(f"no pod became {phase} within 60 s")


def await_log(cluster: Cluster, word: str) -> None:
    """Until a job's log, as it comes in, has `word`."""
    for _ in range(240):
        if any(word in log.read_text() for log in (cluster.folder / ".byok8s").glob("runs/*/logs/*.log")):
            return
        time.sleep(0.25)
    raise AssertionError(f"{word!r} was in no log within 60 s")


def test_exit_code_and_last_lines(cluster: Cluster) -> None:
    workflow(cluster, "echo about to fail; echo the reason >&2; exit 3")
    said = cluster.run("wf", "params", expect=1)
    assert "exit code 3" in said
    assert "the reason" in said
    (log,) = (cluster.folder / ".byok8s").glob("runs/*/logs/*.log")
    assert str(log.relative_to(cluster.folder)) in said
    assert "about to fail" in log.read_text()
    assert cluster.names() == []
    assert cluster.made() == []


def test_a_signal_is_named(cluster: Cluster) -> None:
    workflow(cluster, "kill -SEGV $$")
    said = cluster.run("wf", "params", expect=1)
    assert "killed by SIGSEGV" in said
    assert "byok8s explain signal" in said


def test_retries(cluster: Cluster) -> None:
    """The second attempt knows that it is one, and succeeds."""
    cluster.write(
        {
            "Snakefile": "rule only:\n    output: 'out.txt'\n"
            "    resources: n=lambda wildcards, attempt: attempt\n"
            "    shell: 'test {resources.n} = 2 && echo two > {output}'\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    said = cluster.run("wf", "params", "--", "--retries", "1")
    assert "Trying to restart job" in said
    assert cluster.read("out.txt") == "two\n"


@pytest.mark.parametrize(("flags", "made"), [((), False), (("--", "--keep-going"), True)])
def test_keep_going(flags: tuple[str, ...], made: bool, cluster: Cluster) -> None:
    cluster.write(
        {
            "Snakefile": "rule all:\n    input: 'bad.txt', 'good-2.txt'\n"
            "rule bad:\n    output: 'bad.txt'\n    priority: 5\n    shell: 'exit 7'\n"
            "rule good:\n    output: 'good-1.txt'\n    shell: 'sleep 8; echo good > {output}'\n"
            "rule better:\n    input: 'good-1.txt'\n    output: 'good-2.txt'\n"
            "    shell: 'cp {input} {output}'\n",
            "wf.json": '{"workflow_target": "all"}',
            "params.json": "{}",
        }
    )
    said = cluster.run("wf", "params", *flags, expect=1)
    assert "exit code 7" in said
    assert ("good-2.txt" in cluster.made()) is made
    assert "good-1.txt" in cluster.made()
    assert cluster.names() == []


def test_a_deleted_pod_fails_its_job(cluster: Cluster) -> None:
    workflow(cluster, "echo started; sleep 60; touch {output}")
    run = cluster.start("wf", "params")
    pod = await_pod(cluster)
    await_log(cluster, "started")
    cluster.client.delete(f"/api/v1/namespaces/{cluster.namespace}/pods/{pod}", {"gracePeriodSeconds": 0})
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "its pod was deleted while the job was under way" in said
    assert cluster.names() == []


def test_memory_beyond_the_limit_is_named(cluster: Cluster) -> None:
    cluster.write(
        {
            "Snakefile": "rule only:\n    output: 'out.txt'\n    resources: mem_mb=300\n"
            "    shell: 'python -c \"x = bytearray(2_000_000_000)\"; touch {output}'\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    said = cluster.run("wf", "params", expect=1)
    assert "out of memory: used 300 MB of 300 MB" in said
    assert "byok8s explain out-of-memory" in said
    assert cluster.names() == []


def test_an_image_that_is_not_there_ends_the_run(cluster: Cluster) -> None:
    workflow(cluster, "touch {output}")
    said = cluster.run("wf", "params", "--image", "localhost/no/such-image:1", expect=1)
    assert "its image localhost/no/such-image:1 cannot be pulled" in said
    assert "byok8s explain image-" in said
    assert cluster.names() == []


def test_a_pod_that_no_node_takes_says_so(cluster: Cluster) -> None:
    cluster.write(
        {
            "Snakefile": "rule only:\n    output: 'out.txt'\n    threads: 500\n    shell: 'touch {output}'\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    run = cluster.start("wf", "params")
    assert "no node takes it yet" in await_line(run, "Insufficient cpu")
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert cluster.names() == []


def test_ctrl_c_ends_the_pods_and_leaves_nothing(cluster: Cluster) -> None:
    workflow(cluster, "sleep 300; touch {output}")
    run = cluster.start("wf", "params")
    await_pod(cluster)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert cluster.names() == []
    assert cluster.made() == []
    assert "Traceback" not in said


def test_a_second_ctrl_c_waits_for_nothing_and_still_leaves_nothing(cluster: Cluster) -> None:
    workflow(cluster, "trap '' TERM INT; sleep 300; touch {output}")
    run = cluster.start("wf", "params")
    await_pod(cluster)
    run.send_signal(signal.SIGINT)
    await_line(run, "Ending 1 jobs")
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert cluster.names() == []


def test_a_run_after_a_failed_one_makes_what_is_missing(cluster: Cluster) -> None:
    workflow(cluster, "exit 1")
    cluster.run("wf", "params", expect=1)
    workflow(cluster, "echo mended > {output}")
    cluster.run("wf", "params")
    assert cluster.read("out.txt") == "mended\n"
    assert Path(cluster.folder, ".snakemake").is_dir()
