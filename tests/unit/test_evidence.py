"""What the worker makes of lines and of the container. Snakemake 9.27.1 printed these lines in pods of the rig."""

import os
from pathlib import Path

import pytest

from byok8s.executor.cause import named
from byok8s.worker import evidence, job
from byok8s.worker.job import Job, Order
from byok8s.worker.protocol import Result

AT = "at http://10.88.0.1:43159"
DENIED = f"            download of s3://b/in.txt {AT} failed: AccessDenied: By the test. Access is ..."
UNRESOLVED = (
    "HeadObject of s3://b/in.txt at http://vm:4 failed: EndpointConnectionError: Could not connect to the endpoint "
    "URL: \"http://vm:4/b/in.txt\" (Failed to resolve 'vm' ([Errno -3] Temporary failure in name resolution)). The ..."
)
REFUSED = UNRESOLVED.partition(" (Failed")[0] + " ([Errno 111] Connection refused). The endpoint cannot ..."


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (DENIED, "s3-denied"),
        (DENIED.replace("AccessDenied", "ExpiredToken"), "s3-denied"),
        (DENIED.replace("AccessDenied", "SignatureDoesNotMatch"), "s3-denied"),
        (DENIED.replace("AccessDenied", "NoSuchBucket"), "s3-no-bucket"),
        (DENIED.replace("AccessDenied", "SlowDown"), "s3-throttled"),
        (DENIED.replace("AccessDenied", "RequestTimeTooSkewed"), "s3-clock-skew"),
        (DENIED.replace("AccessDenied", "ConnectionClosedError"), "s3-unreachable"),
        (DENIED.replace("AccessDenied", "InternalError"), "s3-unreachable"),
        (REFUSED, "s3-unreachable"),
        (UNRESOLVED, "dns"),
        # boto/botocore botocore/exceptions.py, ClientError.MSG_TEMPLATE, as snakemake-storage-plugin-s3 lets it through
        (
            "ClientError: An error occurred (403) when calling the HeadObject operation: Forbidden",
            "s3-denied",
        ),
        (
            "    An error occurred (SlowDown) when calling the PutObject operation (reached max retries: 4): Slow",
            "s3-throttled",
        ),
        (DENIED.replace("AccessDenied", "NoSuchKey"), None),
        ("download: AccessDenied", None),
        ("fatal error: An error has occurred (AccessDenied)", None),
        ("", None),
    ],
)
def test_a_line_of_the_storage_plugin(row: str, cause: str | None) -> None:
    found = evidence.storage(row)
    assert (found and found[1]) == cause


@pytest.mark.parametrize(
    ("code", "why", "cause"),
    [
        (3, "exit code 3", "exit-code"),
        (127, "exit code 127: a command that is not found", "exit-code"),
        (139, "exit code 139: a program in it was killed by SIGSEGV", "signal"),
        (137, "exit code 137: a program in it was killed by SIGKILL", "signal"),
        (255, "exit code 255", "exit-code"),  # 128 + 127 is no signal, and many programs end so
        (141, "exit code 141", "exit-code"),  # SIGPIPE is what `| head` does, and no crash
    ],
)
def test_an_exit_code(code: int, why: str, cause: str) -> None:
    assert evidence.exit_code(code) == (why, cause)


def fails_by(command: str) -> str:
    where = 'CalledProcessError in file "/work/Snakefile", line 4:'
    return f"RuleException:\n{where}\nCommand 'set -euo pipefail;  x' {command}."


STORING = f"WorkflowError:\nFailed to store output in storage.\nWorkflowError:\n{DENIED}"
PRETENDED = f"WorkflowError:\n{DENIED}"
STATUS_4, SEGV = "returned non-zero exit status 4", "died with <Signals.SIGSEGV: 11>"


@pytest.mark.parametrize(
    ("output", "code", "why", "cause"),
    [
        (fails_by(STATUS_4), 4, "exit code 4", "exit-code"),
        (fails_by(SEGV), 139, "killed by SIGSEGV", "signal"),
        (STORING, 1, f"S3 denied access: download of s3://b/in.txt {AT}: AccessDenied", "s3-denied"),
        # what a job prints itself, in whatever words, is followed by its own exit code
        (
            f"AccessDenied\n{fails_by(STATUS_4)}",
            4,
            'exit code 4; its log speaks of "AccessDenied"',
            "exit-code",
        ),
        (
            f"{PRETENDED}\n{fails_by(STATUS_4)}",
            4,
            'exit code 4; its log speaks of "AccessDenied"',
            "exit-code",
        ),
        # a command that failed and did not matter to the rule
        (
            f"subprocess {STATUS_4}\n{STORING}",
            1,
            f"S3 denied access: download of s3://b/in.txt {AT}: AccessDenied",
            "s3-denied",
        ),
        (DENIED, 1, 'exit code 1; its log speaks of "AccessDenied"', "exit-code"),
        (
            f"cp: No space left on device\n{fails_by(STATUS_4)}",
            4,
            'exit code 4; its log speaks of "No space left on device"',
            "exit-code",
        ),
        ("Traceback", 1, "exit code 1", "exit-code"),
    ],
)
def test_what_a_job_is_said_to_have_died_of(
    output: str, code: int, why: str, cause: str, tmp_path: Path
) -> None:
    """A real process in Snakemake's place, which prints this and exits with 1, as Snakemake does."""
    said = tmp_path / "said"
    said.write_text(output + "\n")
    result = run(f"cat {said}; exit 1", tmp_path)
    assert (result.code, result.why, result.cause) == (code, why, cause)
    assert named(result.cause)
    assert result.last_lines.splitlines()[-1] == output.splitlines()[-1][: job.KEPT_LINE_CHARACTERS]


def test_a_disk_that_is_really_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any disk is full to one who wants to have all of it free."""
    monkeypatch.setattr(evidence, "NEARLY_FULL_BYTES", 2**70)
    monkeypatch.setattr(evidence, "NEARLY_FULL_SHARE", 1)
    result = run("echo 'write: No space left on device'; exit 1", tmp_path)
    assert result.cause == "disk-full"
    assert f"MB are free at {tmp_path}" in result.why


def run(command: str, folder: Path) -> Result:
    (folder / "work").mkdir()
    under_way = Job(Order("1", (), command), folder / "work")
    while under_way.read():
        pass
    return under_way.result()


@pytest.mark.parametrize(
    ("peak", "limit", "said"),
    [
        ("536870912\n", "536870912\n", "used 537 MB of 537 MB"),
        ("299999232\n", "299999232\n", "used 300 MB of 300 MB"),
        ("1000\n", "max\n", ""),  # cgroup v2's word for no limit
        (None, "1000000\n", "used all of its 1 MB"),  # before Linux 5.19 there is no peak
    ],
)
def test_memory(
    peak: str | None, limit: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if peak:
        (tmp_path / "peak").write_text(peak)
    (tmp_path / "max").write_text(limit)
    monkeypatch.setattr(evidence, "MEMORY", ((tmp_path / "peak", tmp_path / "max"),))
    assert evidence.memory() == said


def test_a_disk_with_room_is_not_full(tmp_path: Path) -> None:
    assert os.statvfs(tmp_path).f_bavail
    assert evidence.full_disk(tmp_path) == ""
    assert evidence.full_disk(tmp_path / "nowhere") == ""


def test_the_workers_names_are_causes() -> None:
    for slug in evidence._S3_SAID:
        assert named(slug)
