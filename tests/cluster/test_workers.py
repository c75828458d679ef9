"""Many jobs in one pod: what they share is the pod, and nothing else; and what becomes of them when it breaks."""

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest

from breaking import evict, quota
from byok8s import run_record, s3
from byok8s.history.event import Event
from byok8s.kube.objects import text
from channel import BRIDGE
from counting_proxy import counting
from folders import run_in
from gates import gate
from happened import events_of, of_kind
from rig_control import away, process
from sandbox import Sandbox


def workflow(cluster: Sandbox, snakefile: str) -> None:
    cluster.write({"Snakefile": snakefile, "wf.json": '{"workflow_target": "all"}', "params.json": "{}"})


def pods_seen(cluster: Sandbox, until: threading.Event) -> set[str]:
    seen: set[str] = set()
    while not until.wait(0.3):
        seen |= {text(pod, "metadata", "name") for pod in cluster.objects("pods")}
    return seen


def many(count: int, shell: str) -> str:
    return (
        f"rule all:\n    input: expand('out-{{i}}.txt', i=range({count}))\n"
        f"rule one:\n    output: 'out-{{i}}.txt'\n    shell: {shell!r}\n"
    )


def assert_is_reported(cluster: Sandbox, elsewhere: Path, jobs: set[object]) -> None:
    """The rule all comes after the jobs, by one of which the critical path goes, and all time is of a phase."""
    (all_,) = [event for event in of_kind(events_of(cluster.folder), "job.given") if event["rule"] == "all"]
    assert set(cast(list[object], all_["after"])) == jobs
    found = json.loads(run_in(elsewhere, [*cluster.program, "report", "--json"], cluster.environment))
    path = found["critical_path"]
    assert [step["id"] in jobs for step in path["steps"]] == [True, False]
    assert sum(path["seconds"].values()) == pytest.approx(found["seconds"])
    assert found["started"]["command"].startswith("byok8s ")
    assert (found["hours"]["unknown"], found["rules"][0]["measured"]) == (0, len(jobs))


def assert_all_is_noted(cluster: Sandbox, jobs: int) -> None:
    """Every job's and every pod's phases are events, and another folder sees from the bucket what came of them."""
    events = events_of(cluster.folder)
    for kind in ("given", "began", "fetched", "ran", "stored", "ended"):
        of_pods = [event for event in of_kind(events, f"job.{kind}") if event["id"] != id_of_all(events)]
        assert len({event["id"] for event in of_pods}) == len(of_pods) == jobs
    ends = [event for event in of_kind(events, "job.ended") if "node" in event]
    assert all(event["max_rss"] and event["cpu_time"] for event in ends)
    for kind in ("scheduled", "started"):
        noted = {event["pod"] for event in of_kind(events, f"worker.{kind}")}
        assert noted == {event["pod"] for event in ends}
    elsewhere = cluster.folder.parent / "elsewhere"
    elsewhere.mkdir()
    assert_is_reported(cluster, elsewhere, {event["id"] for event in ends})
    command = [*cluster.program, "trace", "--json"]
    rows = json.loads(run_in(elsewhere, command, cluster.environment))
    assert [row["status"] for row in rows] == ["COMPLETED"] * (jobs + 1)
    assert {row["native_id"] for row in rows} == {event["pod"] for event in ends} | {None}


@pytest.mark.parametrize("more", [[], ["--no-reuse"]])
def test_what_a_job_writes_to_disks_is_in_its_record(cluster: Sandbox, more: list[str]) -> None:
    written = 7 * 1024 * 1024
    rule = f"rule w:\n    output: 'w.txt'\n    shell: 'head -c {written} /dev/zero > {{output}}'\n"
    cluster.write({"Snakefile": rule})
    cluster.run("-s", "Snakefile", *more)
    (ended,) = of_kind(events_of(cluster.folder), "job.ended")
    assert 7 <= cast(float, ended["io_out"]) < 8
    assert cast(float, ended["io_in"]) >= 0


def test_a_run_block_is_measured_as_any_job(cluster: Sandbox) -> None:
    """It runs in a process that the job's own does not wait for."""
    block = """
rule w:
    output: "w.txt"
    run:
        held = bytearray(b"x") * 400_000_000
        open(output[0], "wb").write(held[:7 * 2**20])
"""
    cluster.write({"Snakefile": block})
    cluster.run("-s", "Snakefile")
    (ended,) = of_kind(events_of(cluster.folder), "job.ended")
    assert cast(float, ended["max_rss"]) > 400
    assert 7 <= cast(float, ended["io_out"]) < 8


def id_of_all(events: list[Event]) -> object:
    """Return the id of the job of rule all, which runs on this machine."""
    return next(event["id"] for event in of_kind(events, "job.given") if event["rule"] == "all")


def test_jobs_share_workers(cluster: Sandbox) -> None:
    finished = threading.Event()
    seen: list[set[str]] = []
    watcher = threading.Thread(target=lambda: seen.append(pods_seen(cluster, finished)), daemon=True)
    watcher.start()
    with gate(BRIDGE) as both:  # neither worker comes too late for a job
        workflow(cluster, many(12, f"{both.command}; echo {{wildcards.i}} | tee {{output}}"))
        started = cluster.start("wf", "params", "--jobs", "2")
        both.await_jobs(2)
        both.open()
        said, _ = started.communicate(timeout=120)
    finished.set()
    watcher.join()
    assert started.returncode == 0, said
    assert sorted(cluster.made()) == sorted(f"out-{i}.txt" for i in range(12))
    assert cluster.read("out-11.txt") == "11\n"
    (run,) = (path.name for path in (cluster.folder / ".byok8s/runs").iterdir())
    in_bucket = run_record.in_bucket(cluster.bucket, run).files()
    assert sum(name.startswith("logs/one-") for name in in_bucket) == 12
    assert not [key for key in cluster.kept() if "params" in key or key == ".byok8s/lock"]
    assert 1 <= len(seen[0]) <= 2
    assert cluster.names() == []
    assert_all_is_noted(cluster, 12)


def test_what_jobs_share_is_fetched_once_a_worker(cluster: Sandbox) -> None:
    snakefile = """
rule all:
    input: expand("out-{i}.txt", i=range(10))
rule reference:
    output: "ref.fa", directory("index")
    shell: "seq 800000 | head -c 5000000 > {output[0]} || true; mkdir {output[1]}; cp {output[0]} {output[1]}/part"
rule one:
    input: "ref.fa", "index"
    output: "out-{i}.txt"
    shell: "cat ref.fa index/part | cksum > {output}; echo worse >> ref.fa; rm -r index"
"""
    workflow(cluster, snakefile)
    server = cluster.bucket.endpoint_url or ""
    with counting(server, urlsplit(server).hostname or "") as proxy:
        said = cluster.run("wf", "params", "--jobs", "2", "--s3-endpoint-url", proxy.url)
    results = {cluster.read(f"out-{i}.txt") for i in range(10)}
    assert len(results) == 1
    assert results.pop().endswith(" 10000000\n")
    fetched = Counter(request.rpartition("/")[2] for request in proxy.of("GET"))
    assert 1 <= fetched["ref.fa"] <= 2
    assert fetched["part"] == fetched["ref.fa"]
    ends = of_kind(events_of(cluster.folder), "job.ended")
    came, kept = (sum(int(str(end.get(f"{way}_bytes", 0))) for end in ends) for way in ("fetched", "cached"))
    assert came == 10_000_000 * fetched["ref.fa"]
    assert came + kept == 10 * 10_000_000
    assert (
        f"Jobs fetched {came // 1_000_000} MB, took {kept // 1_000_000} MB that their workers had kept, and"
        in said
    )


def test_without_reuse_each_job_has_a_pod(cluster: Sandbox) -> None:
    workflow(cluster, many(3, "hostname > {output}"))
    cluster.run("wf", "params", "--no-reuse", "--jobs", "2")
    assert len({cluster.read(f"out-{i}.txt") for i in range(3)}) == 3
    assert cluster.names() == []
    assert_all_is_noted(cluster, 3)


def test_nothing_of_one_job_reaches_the_next(cluster: Sandbox) -> None:
    leave = (
        "echo x > left-here; echo x > $HOME/left-home; echo x > /tmp/left-tmp; echo x > /dev/shm/left; "
        "mkdir -p /tmp/locked/in && chmod 000 /tmp/locked; export LEFT=1; "
        "(setsid nohup sleep 4321 >/dev/null 2>&1 &); sleep 0.5; hostname > {output}"
    )
    look = "(ls -A . $HOME /tmp /dev/shm; env; ps -eo args) > {output}; hostname >> {output}"
    workflow(
        cluster,
        "rule all:\n    input: 'second.txt'\n"
        f"rule first:\n    output: 'first.txt'\n    shell: {leave!r}\n"
        f"rule second:\n    input: 'first.txt'\n    output: 'second.txt'\n    shell: {look!r}\n",
    )
    cluster.run("wf", "params", "--jobs", "1")
    found = cluster.read("second.txt")
    assert found.splitlines()[-1] == cluster.read("first.txt").strip(), "both ran in one worker"
    assert "PATH=" in found
    for trace in ("left", "locked", "LEFT", "4321"):
        assert trace not in found


def test_a_job_that_uses_too_much_memory_is_named_and_the_next_one_unharmed(cluster: Sandbox) -> None:
    workflow(
        cluster,
        "rule all:\n    input: 'good.txt', 'bad.txt'\n"
        "rule bad:\n    output: 'bad.txt'\n    priority: 5\n    resources: mem_mb=300\n"
        "    shell: 'python -c \"x = bytearray(2_000_000_000)\"; touch {output}'\n"
        "rule good:\n    output: 'good.txt'\n    resources: mem_mb=300\n    shell: 'echo good > {output}'\n",
    )
    said = cluster.run("wf", "params", "--jobs", "1", "--", "--keep-going", expect=1)
    assert "OOMKilled" in said
    assert cluster.read("good.txt") == "good\n"
    assert cluster.made() == ["good.txt"]


def test_a_worker_that_is_killed_for_its_jobs_memory_is_replaced(cluster: Sandbox) -> None:
    """Of many processes, each smaller than the worker itself."""
    hog = 'python -c "x = bytearray(45_000_000); import time; time.sleep(20)"'
    workflow(
        cluster,
        "rule all:\n    input: 'good.txt', 'bad.txt'\n"
        "rule bad:\n    output: 'bad.txt'\n    priority: 5\n    resources: mem_mb=300\n"
        f"    shell: 'for i in $(seq 12); do {hog} & done; wait; exit 1'\n"
        "rule good:\n    output: 'good.txt'\n    resources: mem_mb=300\n    shell: 'echo good > {output}'\n",
    )
    said = cluster.run("wf", "params", "--jobs", "1", "--", "--keep-going", expect=1)
    assert "out of memory" in said
    assert "byok8s explain out-of-memory" in said
    assert cluster.made() == ["good.txt"]
    assert cluster.names() == []


def test_a_job_that_fills_tmp_is_named_and_the_next_one_unharmed(cluster: Sandbox) -> None:
    workflow(
        cluster,
        "rule all:\n    input: 'good.txt', 'bad.txt'\n"
        "rule bad:\n    output: 'bad.txt'\n    priority: 5\n    resources: disk_mb=200\n"
        "    shell: 'dd if=/dev/zero of=/tmp/full bs=1M count=500; sleep 120; touch {output}'\n"
        "rule good:\n    output: 'good.txt'\n    resources: disk_mb=200\n    shell: 'echo good > {output}'\n",
    )
    said = cluster.run("wf", "params", "--jobs", "1", "--", "--keep-going", expect=1)
    assert "Evicted" in said
    assert "200M" in said
    assert cluster.read("good.txt") == "good\n"


def test_a_runtime_is_kept_by_the_worker(cluster: Sandbox) -> None:
    workflow(
        cluster,
        "rule all:\n    input: 'x'\nrule slow:\n    output: 'x'\n    resources: runtime=1\n"
        "    shell: 'sleep 200; touch {output}'\n",
    )
    assert "longer than its runtime allows (1 min)" in cluster.run("wf", "params", expect=1)


def test_a_worker_deleted_in_mid_job_is_replaced(cluster: Sandbox) -> None:
    """Its own job is made again, although no retries are allowed; the others never notice."""
    workflow(cluster, many(6, "sleep 3; echo {wildcards.i} > {output}"))
    run = cluster.start("wf", "params", "--jobs", "1")
    for _ in range(240):
        if cluster.made():
            break
        time.sleep(0.25)
    time.sleep(1)  # into the next job, which takes three
    name = text(cluster.objects("pods")[0], "metadata", "name")
    cluster.client.delete(f"/api/v1/namespaces/{cluster.namespace}/pods/{name}", {"gracePeriodSeconds": 0})
    said, _ = run.communicate(timeout=180)
    assert run.returncode == 0, said
    assert "its pod was deleted" in said
    assert [cluster.read(f"out-{i}.txt") for i in range(6)] == [f"{i}\n" for i in range(6)]
    assert cluster.names() == []


def test_a_worker_deleted_in_mid_upload_leaves_no_parts(cluster: Sandbox) -> None:
    workflow(cluster, many(1, "truncate -s 100M {output}"))
    server = cluster.bucket.endpoint_url or ""

    def uploads() -> list[s3.Unfinished]:
        return s3.unfinished(cluster.bucket)

    with counting(server, urlsplit(server).hostname or "", delay=0.5) as proxy:
        run = cluster.start("wf", "params", "--jobs", "1", "--s3-endpoint-url", proxy.url)
        while not uploads():
            assert run.poll() is None
            time.sleep(0.05)
        name = text(cluster.objects("pods")[0], "metadata", "name")
        cluster.client.delete(
            f"/api/v1/namespaces/{cluster.namespace}/pods/{name}", {"gracePeriodSeconds": 0}
        )
        said, _ = run.communicate(timeout=180)
    assert run.returncode == 0, said
    assert "its pod was deleted" in said
    assert cluster.made() == ["out-0.txt"]
    assert uploads() == []


def test_a_worker_that_is_told_to_end_takes_no_other_job(cluster: Sandbox) -> None:
    """The other job waits for the one pod that the namespace has room for."""
    quota(cluster, 1)
    workflow(cluster, many(2, "echo started; sleep 6; echo {wildcards.i} >> {output}"))
    run = cluster.start("wf", "params", "--jobs", "2")
    (pod,) = cluster.await_pods()
    cluster.await_log("started")
    evict(cluster, pod)
    said, _ = run.communicate(timeout=180)
    assert run.returncode == 0, said
    assert said.count("It is tried again") == 1, said
    assert [cluster.read(f"out-{i}.txt") for i in range(2)] == ["0\n", "1\n"]
    assert cluster.names() == []


@pytest.mark.alone
def test_the_api_server_is_away_for_20_s_amid_20_jobs(cluster: Sandbox) -> None:
    process("apiserver")
    workflow(cluster, many(20, "sleep 1; echo {wildcards.i} >> {output}"))
    run = cluster.start("wf", "params", "--jobs", "2")
    for _ in range(240):
        if len(cluster.made()) >= 3:
            break
        time.sleep(0.25)
    away("apiserver", 20)
    said, _ = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert "The Kubernetes API is back" in said
    assert [cluster.read(f"out-{i}.txt") for i in range(20)] == [f"{i}\n" for i in range(20)]
    assert said.count("Error in rule") == 0
    assert cluster.names() == []


@pytest.mark.parametrize("more", [[], ["--no-reuse"]])
def test_the_memory_of_a_job_is_that_of_all_its_processes_and_of_files_in_memory(
    cluster: Sandbox, more: list[str]
) -> None:
    """One that is gone at once is no less seen: the kernel counts the largest."""
    hold = "python3 -c \"import time; held = b'x' * {} * 2**20; time.sleep({})\""
    together = f"{hold.format(100, 2)} & {hold.format(100, 2)} & head -c 60M /dev/zero > /dev/shm/held; wait"
    rules = "".join(
        f"rule {name}:\n    output: '{name}.txt'\n    resources: mem_mb=1000\n"
        f"    shell: r'''{command}; touch {{output}}'''\n"
        for name, command in (("together", together), ("short", hold.format(200, 0.05)), ("small", "sleep 1"))
    )
    cluster.write({"Snakefile": f"rule all:\n    input: 'together.txt', 'short.txt', 'small.txt'\n{rules}"})
    cluster.run("-s", "Snakefile", "--jobs", "1", *more)
    events = events_of(cluster.folder)
    rule = {event["id"]: event["rule"] for event in of_kind(events, "job.given")}
    used = {
        rule[event["id"]]: cast(float, event["max_rss"])
        for event in of_kind(events, "job.ended")
        if "max_rss" in event
    }
    assert 260 <= used["together"] < 400
    assert 200 <= used["short"] < 300
    assert used["small"] < 150
