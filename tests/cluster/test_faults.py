"""What is killed, cut off or used up while a run goes on: its outcome, its words, and that nothing is left."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from breaking import delete_bucket, own_bucket, small_disk
from byok8s import s3
from byok8s.history.event import Event
from byok8s.kube import Object
from folders import run_in
from happened import events_of, of_kind
from rig_control import away, killed, process, stopped
from s3_faults import Fault, failing
from sandbox import Sandbox, await_line
from snakefiles import LONG_LOG, ONCE, many


def ends(cluster: Sandbox) -> list[Event]:
    """Return the ends of the run's jobs that have had a pod."""
    return [event for event in of_kind(events_of(cluster.folder), "job.ended") if "pod" in event]


def assert_all_made_once(cluster: Sandbox, count: int) -> None:
    """Each output has one line: a job that ran twice would have written two."""
    assert [cluster.read(f"out-{i}.txt") for i in range(count)] == [f"{i}\n" for i in range(count)]
    assert cluster.names() == []


@pytest.mark.alone
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("part", "seconds"), [("apiserver", 60), ("etcd", 20), ("s3", 30)])
def test_a_part_is_away_for_a_while(part: str, seconds: float, cluster: Sandbox) -> None:
    process(part)
    cluster.write(many(10, ONCE))
    run = cluster.start("wf", "params", "--jobs", "2")
    cluster.await_made(2)
    away(part, seconds)
    said, _ = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert said.count("Error in rule") == 0
    assert "Traceback" not in said
    assert_all_made_once(cluster, 10)


@pytest.mark.alone
def test_a_namespace_that_has_no_service_account_yet(cluster: Sandbox) -> None:
    process("controller-manager")
    cluster.write(many(1, ONCE))
    cluster.namespace += "-new"
    new: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}}
    with stopped("controller-manager"):
        cluster.client.post("/api/v1/namespaces", new)
        run = cluster.start("wf", "params")
        time.sleep(8)
        assert run.poll() is None
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert_all_made_once(cluster, 1)
    cluster.client.delete(f"/api/v1/namespaces/{cluster.namespace}")


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_the_kubelet_hangs_for_a_minute(cluster: Sandbox) -> None:
    process("kubelet")
    cluster.write(many(8, ONCE))
    run = cluster.start("wf", "params", "--jobs", "2")
    cluster.await_made(2)
    with stopped("kubelet"):
        time.sleep(60)
    said, _ = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert_all_made_once(cluster, 8)


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_s3_is_away_for_good(cluster: Sandbox) -> None:
    process("s3")
    cluster.environment["BYOK8S_S3_PATIENCE_SECONDS"] = "10"
    cluster.write(many(6, ONCE))
    run = cluster.start("wf", "params", "--jobs", "2")
    cluster.await_made(2)
    with killed("s3"):
        said, _ = run.communicate(timeout=330)
    assert run.returncode == 1, said
    assert "cannot be reached" in said
    assert "Traceback" not in said
    assert cluster.names() == []


@pytest.mark.timeout(300)
def test_the_bucket_is_deleted_in_mid_run(cluster: Sandbox) -> None:
    cluster.write(many(6, "sleep 5; echo {wildcards.i} >> {output}"))
    with own_bucket(cluster) as bucket:
        run = cluster.start("wf", "params", "--jobs", "1", "--s3-bucket", bucket.name)
        client = s3.connect(bucket.endpoint_url)
        until = time.monotonic() + 60
        while not client.list_objects_v2(Bucket=bucket.name, Prefix="out-").get("Contents"):
            assert time.monotonic() < until
            time.sleep(0.25)
        delete_bucket(bucket)
        said, _ = run.communicate(timeout=180)
    assert run.returncode == 1, said
    assert "NoSuchBucket" in said
    assert "Traceback" not in said
    assert cluster.names() == []


@pytest.mark.timeout(300)
def test_the_keys_are_revoked_in_mid_run(cluster: Sandbox) -> None:
    """By a proxy before the server, which knows no other way to lose a key while it runs."""
    revoked = threading.Event()
    fault = Fault(403, "InvalidAccessKeyId", everybody=True, since=revoked)
    cluster.write(many(6, ONCE))
    with failing(cluster.bucket.endpoint_url or "", fault) as url:
        run = cluster.start("wf", "params", "--jobs", "1", "--s3-endpoint-url", url)
        cluster.await_made(2)
        revoked.set()
        said, _ = run.communicate(timeout=180)
    assert run.returncode == 1, said
    assert "InvalidAccessKeyId" in said
    assert "Traceback" not in said
    assert cluster.names() == []


def test_an_image_with_no_such_tag(cluster: Sandbox) -> None:
    cluster.write(many(1, ONCE))
    image = os.environ["BYOK8S_IMAGE"].rpartition(":")[0] + ":no-such-tag"
    said = cluster.run("wf", "params", "--image", image, expect=1)
    assert f"its image {image} cannot be pulled" in said
    assert cluster.names() == []


def status(cluster: Sandbox) -> str:
    return run_in(cluster.folder, [*cluster.program, "status"], cluster.environment)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("flags", [(), ("--no-reuse",)], ids=["workers", "single pods"])
def test_a_controller_killed_and_started_again_goes_on(flags: tuple[str, ...], cluster: Sandbox) -> None:
    cluster.write(many(4, "sleep 12; echo {wildcards.i} >> {output}"))
    run = cluster.start("wf", "params", "--jobs", "2", *flags)
    cluster.await_pods(2)
    time.sleep(5)
    run.kill()
    run.communicate()
    assert cluster.names() != []
    said = status(cluster)
    assert "Running when last heard of:" in said
    assert said.count("  running on byok8s-") == (2 if not flags else 0)  # a single pod tells it at its end
    said = cluster.run("wf", "params", "--jobs", "2", *flags)
    assert "Going on with 2 pods that are at work for this run." in said
    assert_all_made_once(cluster, 4)
    assert ": complete, 5 of 5 jobs done" in status(cluster)
    assert len(of_kind(events_of(cluster.folder), "run.started")) == 2
    assert len({event["pod"] for event in ends(cluster)}) == (2 if not flags else 4)


@pytest.mark.timeout(300)
def test_a_controller_started_again_that_is_given_other_jobs_first(cluster: Sandbox) -> None:
    """Both workers have jobs that nobody claims until their end."""
    cluster.write(many(4, "sleep 12; echo {wildcards.i} >> {output}"))
    run = cluster.start("wf", "params", "--jobs", "2", "out-0.txt", "out-2.txt")
    cluster.await_pods(2)
    time.sleep(5)
    run.kill()
    run.communicate()
    first = ["out-1.txt", "out-3.txt"]
    said = cluster.run("wf", "params", "--jobs", "2", "--", "--prioritize", *first)
    assert "Going on with 2 pods that are at work for this run." in said
    assert_all_made_once(cluster, 4)
    assert len({event["pod"] for event in ends(cluster)}) == 2


@pytest.mark.timeout(300)
def test_a_killed_controllers_run_is_not_gone_on_with_when_the_workflow_has_changed(cluster: Sandbox) -> None:
    cluster.write(many(2, "sleep 300; echo old >> {output}"))
    run = cluster.start("wf", "params", "--jobs", "2")
    cluster.await_pods()
    run.kill()
    run.communicate()
    cluster.write(many(2, "echo {wildcards.i} >> {output}"))
    said = cluster.run("wf", "params", "--jobs", "2")
    assert "Going on" not in said
    assert_all_made_once(cluster, 2)


@pytest.mark.timeout(300)
def test_a_killed_controllers_run_of_which_nothing_is_left_to_do_is_removed(cluster: Sandbox) -> None:
    cluster.write(many(2, "test {wildcards.i} = 0 || sleep 300; echo {wildcards.i} >> {output}"))
    run = cluster.start("wf", "params", "--jobs", "2", "out-0.txt", "out-1.txt", "--", "--printshellcmds")
    await_line(run, "1 of 2 steps")  # what is only in the bucket is incomplete to Snakemake
    run.kill()
    run.communicate()
    made = cluster.made()
    assert cluster.names() != []
    said = cluster.run("wf", "params", *[name for name in made if name.startswith("out-")])
    assert "Nothing to be done" in said
    assert cluster.names() == []


FORSAKEN = "spec:\n  containers:\n  - env: [{name: BYOK8S_FORSAKEN_SECONDS, value: '3'}]\n"


@pytest.mark.timeout(300)
def test_a_controller_killed_and_nobody_comes_back(cluster: Sandbox) -> None:
    """With a lease of 30 s instead of an hour, and workers that wait for 3 s instead of 5 min."""
    cluster.write(many(2, "sleep 5; echo {wildcards.i} >> {output}"))
    cluster.write({"forsaken.yaml": FORSAKEN})
    cluster.environment["BYOK8S_LEASE_SECONDS"] = "30"
    run = cluster.start("wf", "params", "--jobs", "2", "--pod-template", "forsaken.yaml")
    cluster.await_pods()
    time.sleep(3)
    run.kill()
    run.communicate()
    until = time.monotonic() + 120
    while cluster.names():
        assert time.monotonic() < until, f"{cluster.names()} are left after 120 s"
        time.sleep(1)


def test_a_second_controller_is_refused(cluster: Sandbox) -> None:
    cluster.write(many(1, "sleep 300; touch {output}"))
    run = cluster.start("wf", "params")
    cluster.await_pods()
    (first,) = cluster.objects("jobs")
    said = cluster.run("wf", "params", expect=3)
    assert str(run.pid) in said
    assert str(first["metadata"]["labels"]["byok8s.io/run"]) in said  # type: ignore[index,call-overload]
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert cluster.names() == []


def test_a_full_disk_of_the_controller(cluster: Sandbox, tmp_path: Path) -> None:
    with small_disk(tmp_path) as folder:
        cluster.folder = folder
        shell = "sleep 2; head -c 8000000 /dev/zero | tr '\\0' 'x'; echo {wildcards.i} >> {output}"
        cluster.write(many(3, shell))
        said = cluster.run("wf", "params", "--jobs", "1", expect=1)
        assert "is not complete: [Errno 28] No space left on device" in said
        assert "Error recording metadata" in said  # Snakemake's own, without which it does not go on
        assert {cluster.read(name).partition("\n")[0] for name in cluster.made()} <= {"0", "1", "2"}
        assert cluster.names() == []


@pytest.mark.timeout(300)
def test_a_job_that_writes_a_log_of_200_mb(cluster: Sandbox) -> None:
    cluster.write(many(1, LONG_LOG))
    cluster.run("wf", "params")
    assert_all_made_once(cluster, 1)
    (log,) = (cluster.folder / ".byok8s").glob("runs/*/logs/*.log")
    assert log.stat().st_size > 200_000_000


@pytest.mark.timeout(400)
def test_64_jobs_fail_at_once(cluster: Sandbox) -> None:
    cluster.write(many(64, "echo the reason of {wildcards.i}; exit 5"))
    said = cluster.run("wf", "params", "--jobs", "64", "--", "--keep-going", expect=1)
    assert said.count("Failed: exit code 5") == 64
    assert {event["state"] for event in ends(cluster)} == {"EXECUTOR_ERROR"}
    assert len(list((cluster.folder / ".byok8s").glob("runs/*/logs/*.log"))) == 64
    assert cluster.made() == []
    assert cluster.names() == []
