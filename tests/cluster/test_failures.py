"""A job that fails: its exit code, its last lines, what else goes on, and that nothing is left."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from breaking import delete, evict, occupied, quota
from sandbox import Sandbox, await_line
from snakefiles import (
    FAILING,
    ONE_OF_TWO_FAILS,
    SIGNALLED,
    SLEEPING,
    STUBBORN,
    TAKEN_AWAY,
    many,
    memory,
    only,
)


def test_exit_code_and_last_lines(cluster: Sandbox) -> None:
    cluster.write(only(FAILING))
    said = cluster.run("wf", "params", expect=1)
    assert "exit code 3" in said
    assert "the reason" in said
    (log,) = (cluster.folder / ".byok8s").glob("runs/*/logs/*.log")
    assert f"More: byok8s logs {log.stem}" in said
    assert "about to fail" in log.read_text()
    assert cluster.names() == []
    assert cluster.made() == []


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["worker", "single pod"])
def test_the_rules_log_file_of_a_failed_job_is_kept(flags: tuple[str, ...], cluster: Sandbox) -> None:
    cluster.write(
        {
            "Snakefile": "rule only:\n    output: 'out.txt'\n    log: 'deep/made.log'\n"
            "    shell: 'echo to the output; echo to the log > {log}; exit 3'\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    said = cluster.run("wf", "params", *flags, expect=1)
    assert "Last lines of deep/made.log:\n    to the log\nMore: byok8s logs only-" in said
    (output,) = (cluster.folder / ".byok8s").glob("runs/*/logs/*.log")
    (log,) = (cluster.folder / ".byok8s").glob("runs/*/logs/**/deep/made.log")
    assert "to the output\n" in output.read_text()
    assert log.read_text() == "to the log\n"
    kept = cluster.kept()
    assert log.relative_to(cluster.folder).as_posix() in kept
    assert output.relative_to(cluster.folder).as_posix() in kept


def test_a_signal_is_named(cluster: Sandbox) -> None:
    cluster.write(only(SIGNALLED))
    said = cluster.run("wf", "params", expect=1)
    assert "killed by SIGSEGV" in said
    assert "byok8s explain signal" in said


def test_retries(cluster: Sandbox) -> None:
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
def test_keep_going(flags: tuple[str, ...], made: bool, cluster: Sandbox) -> None:
    cluster.write(ONE_OF_TWO_FAILS)
    said = cluster.run("wf", "params", *flags, expect=1)
    assert "exit code 7" in said
    assert ("good-2.txt" in cluster.made()) is made
    assert "good-1.txt" in cluster.made()
    assert cluster.names() == []


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["worker", "single pod"])
@pytest.mark.parametrize("take_away", [delete, evict])
def test_a_job_whose_pod_is_taken_away_is_made_again(
    take_away: Callable[[Sandbox, str], None], flags: tuple[str, ...], cluster: Sandbox
) -> None:
    cluster.write(only(TAKEN_AWAY))
    run = cluster.start("wf", "params", *flags)
    (pod,) = cluster.await_pods()
    await_time_in_pod(cluster, pod, flags)
    take_away(cluster, pod)
    said, _ = run.communicate(timeout=90)
    assert run.returncode == 0, said
    assert "It is tried again in 1 s (1 of 5 times)" in said
    assert cluster.read("out.txt") == "x\n"
    assert cluster.names() == []


def await_time_in_pod(cluster: Sandbox, pod: str, flags: tuple[str, ...]) -> None:
    if flags:  # its log comes when it has ended
        time.sleep(3)
    else:
        cluster.await_log("started")


# the second where the whole container was killed, as kubelets since 1.28 have it on nodes with cgroup v2
OUT_OF_MEMORY = re.compile(
    r"out of memory: (used 300 MB of 300 MB|it wanted more than its limit of 300M) \(OOMKilled\)"
)


def test_more_memory_for_a_job_that_ran_out_of_it(cluster: Sandbox) -> None:
    cluster.write(memory("300", 350_000_000))
    said = cluster.run("wf", "params", "--oom-retries", "2", "--oom-factor", "2")
    assert OUT_OF_MEMORY.search(said)
    assert "It is tried again with 600 MB instead of 300 (1 of 2 times)" in said
    assert cluster.read("out.txt") == "enough\n"
    assert cluster.names() == []


def test_memory_beyond_the_limit_is_named(cluster: Sandbox) -> None:
    cluster.write(memory("300", 2_000_000_000))
    said = cluster.run("wf", "params", expect=1)
    assert OUT_OF_MEMORY.search(said)
    assert "byok8s explain out-of-memory" in said
    assert cluster.names() == []


def test_an_image_that_is_not_there_ends_the_run(cluster: Sandbox) -> None:
    cluster.write(only("touch {output}"))
    said = cluster.run("wf", "params", "--image", "localhost/no/such-image:1", expect=1)
    assert "its image localhost/no/such-image:1 cannot be pulled" in said
    assert "byok8s explain image-" in said
    assert cluster.names() == []


NOWHERE = (
    "affinity={nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
    "{nodeSelectorTerms: [{matchExpressions: [{key: none, operator: Exists}]}]}}}"
)


def test_a_pod_that_no_node_takes_says_so_and_waits(cluster: Sandbox) -> None:
    cluster.write(only("touch {output}"))
    run = cluster.start("wf", "params", "--pod", NOWHERE)
    assert "no node takes it yet" in await_line(run, "node affinity")
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert cluster.names() == []


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["worker", "single pod"])
def test_a_pod_that_no_node_takes_says_so_after_others_have_run_too(
    flags: tuple[str, ...], cluster: Sandbox
) -> None:
    snakefile = (
        "rule whole:\n    input: 'small.txt'\n    output: 'whole.txt'\n    threads: 1000\n    shell: 'touch {output}'\n"
        "rule small:\n    output: 'small.txt'\n    shell: 'touch {output}'\n"
    )
    cluster.write({"Snakefile": snakefile})
    with occupied(cluster):
        run = cluster.start("-s", "Snakefile", *flags)
        said = await_line(run, "waits: no node takes it yet")
        assert "1 of 2 jobs done: small" in said
        assert "Insufficient cpu" in said
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    assert run.returncode == 130
    assert cluster.names() == []


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["worker", "single pod"])
def test_a_pod_that_no_node_takes_is_given_up_in_time(flags: tuple[str, ...], cluster: Sandbox) -> None:
    cluster.write(only("touch {output}"))
    said = cluster.run("wf", "params", "--pod", NOWHERE, "--pending-timeout", "0.05", *flags, expect=1)
    assert "its pod has waited for" in said
    assert "node affinity" in said
    assert "byok8s explain unschedulable" in said
    assert cluster.names() == []


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["worker", "single pod"])
def test_a_quota_that_has_room_for_some(flags: tuple[str, ...], cluster: Sandbox) -> None:
    quota(cluster, 1)
    cluster.write(many(4, "echo {wildcards.i} > {output}"))
    cluster.run("wf", "params", *flags)
    assert sorted(cluster.made()) == [f"out-{i}.txt" for i in range(4)]
    assert cluster.names() == []


@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["worker", "single pod"])
def test_a_quota_that_has_room_for_none_ends_the_run(flags: tuple[str, ...], cluster: Sandbox) -> None:
    quota(cluster, 0)
    cluster.write(only("touch {output}"))
    said = cluster.run("wf", "params", *flags, expect=1)
    assert "exceeded quota: few" in said
    assert "byok8s explain quota" in said
    assert cluster.names() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_pods_and_leaves_nothing(number: signal.Signals, cluster: Sandbox) -> None:
    cluster.write(only(SLEEPING))
    run = cluster.start("wf", "params")
    cluster.await_pods()
    run.send_signal(number)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert cluster.names() == []
    assert cluster.made() == []
    assert "Traceback" not in said


def test_a_second_ctrl_c_waits_for_nothing_and_still_leaves_nothing(cluster: Sandbox) -> None:
    cluster.write(only(STUBBORN))
    run = cluster.start("wf", "params")
    cluster.await_pods()
    run.send_signal(signal.SIGINT)
    await_line(run, "Ending 1 jobs")
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert cluster.names() == []


def test_a_run_after_a_failed_one_makes_what_is_missing(cluster: Sandbox) -> None:
    cluster.write(only("exit 1"))
    cluster.run("wf", "params", expect=1)
    cluster.write(only("echo fixed > {output}"))
    cluster.run("wf", "params")
    assert cluster.read("out.txt") == "fixed\n"
    assert Path(cluster.folder, ".snakemake").is_dir()


SLOW_CHOICE = """
import time
from snakemake.scheduling.greedy import Scheduler

def choose(*_, **__):
    print("choosing", flush=True)
    time.sleep(300)

Scheduler.select_jobs = choose

rule only:
    output: 'out.txt'
    shell: 'touch {output}'
"""


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name
)
def test_a_signal_while_snakemake_chooses_its_first_jobs(number: signal.Signals, cluster: Sandbox) -> None:
    cluster.write({"Snakefile": SLOW_CHOICE, "wf.json": '{"workflow_target": "only"}', "params.json": "{}"})
    run = cluster.start("wf", "params", "--", "--scheduler", "greedy")
    assert run.stdout
    said = list(iter(run.stdout.readline, "choosing\n"))
    run.send_signal(number)
    rest, _ = run.communicate(timeout=60)
    assert run.returncode == 130, [*said, rest]
    assert "Traceback" not in rest
    assert cluster.names() == []


def test_what_a_job_says_to_the_terminal_is_shown_and_not_obeyed(cluster: Sandbox) -> None:
    """Its log has it as it was."""
    shell = "python -c \"print(chr(27) + ']52;c;cm0=' + chr(7) + chr(27) + '[2Jgone')\"; exit 3"
    cluster.write(
        {
            "Snakefile": f"rule only:\n    output: 'out.txt'\n    shell: {shell!r}\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    said = cluster.run("wf", "params", expect=1)
    assert "\x1b" not in said
    assert r"\x1b]52;c;cm0=\x07\x1b[2Jgone" in said
    (log,) = (cluster.folder / ".byok8s").glob("runs/*/logs/*.log")
    assert "\x1b]52;c;cm0=\x07\x1b[2Jgone" in log.read_text()
