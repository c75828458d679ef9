"""Failures of S3 are told from failures of the job, by what Snakemake says in the pod."""

import os
import socket
import threading
import time
from contextlib import AbstractContextManager

import pytest

from byok8s import s3
from byok8s.history.event import FILE
from counting_proxy import counting
from folders import run_in
from happened import events_of, of_kind
from s3_faults import Fault, failing
from sandbox import Sandbox


@pytest.fixture
def copying(cluster: Sandbox) -> Sandbox:
    """A job that fetches a file and stores one."""
    cluster.environment["BYOK8S_S3_PATIENCE_SECONDS"] = "3"
    client = s3.connect(cluster.bucket.endpoint_url)
    client.put_object(Bucket=cluster.bucket.name, Key=f"{cluster.bucket.prefix}/in.txt", Body=b"x")
    cluster.write(
        {
            "Snakefile": "rule only:\n    input: 'in.txt'\n    output: 'out.txt'\n    shell: 'cp {input} {output}'\n",
            "wf.json": '{"workflow_target": "only"}',
            "params.json": "{}",
        }
    )
    return cluster


def with_fault(cluster: Sandbox, fault: Fault) -> AbstractContextManager[str]:
    return failing(cluster.bucket.endpoint_url or "", fault)


@pytest.mark.parametrize(
    ("fault", "cause", "words"),
    [
        (Fault(403, "AccessDenied", ("GET",)), "s3-denied", "download of s3://"),
        (Fault(403, "AccessDenied", ("GET",), "in.txt"), "s3-denied", "download of s3://"),
        (Fault(403, "ExpiredToken", ("PUT",), "out.txt"), "s3-denied", "upload of s3://"),
        (Fault(404, "NoSuchBucket", ("PUT",), "out.txt"), "s3-no-bucket", "no such bucket"),
        (Fault(403, "RequestTimeTooSkewed", ("PUT",), "out.txt"), "s3-clock-skew", "clock of the node"),
        (Fault(503, "SlowDown", ("PUT",), "out.txt"), "s3-throttled", "fewer requests"),
        (Fault(0, "", ("PUT",), "out.txt"), "s3-unreachable", "ConnectionClosedError"),
    ],
)
def test_a_failure_of_s3_is_named(fault: Fault, cause: str, words: str, copying: Sandbox) -> None:
    with with_fault(copying, fault) as url:
        said = copying.run("wf", "params", "--s3-endpoint-url", url, expect=1)
    (failed,) = [line for line in said.splitlines() if "Failed: " in line]
    assert words in failed
    assert f"byok8s explain {cause}" in said
    assert copying.names() == []


def await_event(cluster: Sandbox, kind: str) -> None:
    until = time.monotonic() + 60
    while not any(kind in record.read_text() for record in cluster.folder.glob(f".byok8s/runs/*/{FILE}")):
        assert time.monotonic() < until, f"no {kind} within 60 s"
        time.sleep(0.2)


def test_a_job_that_waits_for_s3_is_seen_to_wait(copying: Sandbox) -> None:
    copying.environment["BYOK8S_S3_PATIENCE_SECONDS"] = "60"
    away = threading.Event()
    away.set()
    fault = Fault(0, "", ("PUT",), "out.txt", since=away)
    with with_fault(copying, fault) as url:
        run = copying.start("wf", "params", "--s3-endpoint-url", url)
        await_event(copying, "s3.away")
        how = run_in(copying.folder, [*copying.program, "status"], copying.environment)
        away.clear()
        said, _ = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert "S3 has not answered 1 worker for " in how
    events = events_of(copying.folder)
    (began,) = of_kind(events, "job.began")
    assert [event["pod"] for kind in ("s3.away", "s3.back") for event in of_kind(events, kind)] == [
        began["pod"]
    ] * 2


def test_a_name_that_only_this_machine_knows_is_dns(copying: Sandbox) -> None:
    name = socket.gethostname()
    if not socket.gethostbyname(name).startswith("127."):
        pytest.skip("this machine's name may be known to others")
    with counting(os.environ["BYOK8S_S3_ENDPOINT_URL"]) as proxy:
        url = proxy.url.replace("127.0.0.1", name)
        said = copying.run("wf", "params", "--s3-endpoint-url", url, expect=1)
    assert "the name of the S3 server does not resolve in the pod" in said
    assert "byok8s explain dns" in said


def test_a_job_that_speaks_of_s3_has_failed_by_itself(copying: Sandbox) -> None:
    copying.write(
        {
            "Snakefile": "rule only:\n    input: 'in.txt'\n    output: 'out.txt'\n"
            "    shell: 'echo upload failed: AccessDenied; exit 4'\n"
        }
    )
    said = copying.run("wf", "params", expect=1)
    assert 'exit code 4; its log speaks of "AccessDenied"' in said
    assert "byok8s explain exit-code" in said
