"""What the worker makes of errors and of the container: the name of a failure, and its words."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from byok8s.pods.cause import named
from byok8s.worker import diagnosis, failure
from byok8s.worker.description import Done
from byok8s.worker.failure import Failure
from byok8s.worker.job import Job
from byok8s.worker.machinery import WrongSnakemake
from byok8s.worker.measured import Disks
from byok8s.worker.process import Order, Process
from byok8s.worker.protocol import Result
from byok8s.worker.transfer import Missing
from snakemake_storage_plugin_byok8s.connection import StorageError
from snakemake_storage_plugin_byok8s.tree import Unstorable

SERVER = "http://vm:4"
RESOLVING = "Could not connect (Failed to resolve 'vm' ([Errno -3] Temporary failure in name resolution))"

MB = 1024 * 1024


def storage_error(code: str, words: str = "By the test.") -> StorageError:
    return StorageError("download", "s3://b/in.txt", SERVER, code, words)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("AccessDenied", "s3-denied"),
        ("ExpiredToken", "s3-denied"),
        ("SignatureDoesNotMatch", "s3-denied"),
        ("NoSuchBucket", "s3-no-bucket"),
        ("SlowDown", "s3-throttled"),
        ("RequestTimeTooSkewed", "s3-clock-skew"),
        ("ConnectionClosedError", "s3-unreachable"),
        ("InternalError", "s3-unreachable"),
        ("NoSuchKey", "missing-input"),
        ("SomethingNew", "exit-code"),
    ],
)
def test_a_failure_of_s3_is_named_by_its_code(code: str, cause: str) -> None:
    found = failure.failure(storage_error(code))
    assert found.cause == cause
    assert f"download of s3://b/in.txt at {SERVER}: {code}" in found.why
    assert named(found.cause)


def test_an_s3_server_whose_name_does_not_resolve() -> None:
    assert failure.failure(storage_error("EndpointConnectionError", RESOLVING)).cause == "dns"
    assert (
        failure.failure(storage_error("EndpointConnectionError", "Connection refused")).cause
        == "s3-unreachable"
    )


@pytest.mark.parametrize(
    ("error", "code", "why", "cause"),
    [
        (subprocess.CalledProcessError(4, "x"), 4, "exit code 4", "exit-code"),
        (subprocess.CalledProcessError(-11, "x"), 139, "killed by SIGSEGV", "signal"),
        (Missing("There is no s3://b/x."), 1, "There is no s3://b/x", "missing-input"),
        (Unstorable("A link to nothing."), 1, "A link to nothing", "unfit-output"),
        (WrongSnakemake("script() wants y"), 1, "script() wants y", "snakemake-version"),
        (SystemExit(3), 3, "exit code 3", "exit-code"),
        (SystemExit("gone"), 1, "exit code 1", "exit-code"),
        (KeyError("a"), 1, "KeyError: 'a'", "exit-code"),
        (ValueError("first\nsecond"), 1, "ValueError: first", "exit-code"),
        (Failure("why", "deadline", 5), 5, "why", "deadline"),
    ],
)
def test_an_error_of_a_job(error: BaseException, code: int, why: str, cause: str) -> None:
    found = failure.failure(error)
    assert (found.code, found.why, found.cause) == (code, why, cause)
    assert named(found.cause)


def test_a_disk_without_room_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "NEARLY_FULL_BYTES", 2**70)
    monkeypatch.setattr(diagnosis, "NEARLY_FULL_SHARE", 1)
    found = failure.failure(OSError(errno.ENOSPC, "No space left on device"))
    assert found.cause == "disk-full"
    assert "MB are free at" in found.why


@pytest.mark.parametrize(
    ("code", "why", "cause"),
    [
        (3, "exit code 3", "exit-code"),
        (127, "exit code 127: a command that is not found", "exit-code"),
        (139, "exit code 139: a program in it was killed by SIGSEGV", "signal"),
        (
            137,
            "exit code 137: a program in it was killed by SIGKILL, as kill -9 does, and the kernel if memory is short",
            "signal",
        ),
        (255, "exit code 255", "exit-code"),  # 128 + 127 is no signal, and many programs end so
        (126, f"exit code 126: {diagnosis.EXIT_CODES[126]}", "exit-code"),
        (141, f"exit code 141: {diagnosis.EXIT_CODES[141]}", "exit-code"),  # `| head` does it: no crash
    ],
)
def test_an_exit_code(code: int, why: str, cause: str) -> None:
    assert diagnosis.exit_code(code) == (why, cause)


@pytest.mark.parametrize(
    ("code", "command", "why"),
    [
        (1, "set -euo pipefail;  grep -c x in > out", "grep, also grep -c, ends so if nothing matches"),
        (1, "cat in | /usr/bin/grep x > out", "grep, also grep -c, ends so if nothing matches"),
        (1, "diff a b", "diff ends so if the files differ"),
        (124, "timeout 5 sleep 9", "timeout has ended it"),
        (2, "grep x nothing", ""),
        (1, "python my-grep.py; ./diffs; cat grep/diff.txt", ""),
    ],
)
def test_a_code_that_a_program_of_the_command_has_a_meaning_for(code: int, command: str, why: str) -> None:
    assert diagnosis.exit_code(code, command)[0] == f"exit code {code}" + (f": {why}" if why else "")


@pytest.mark.parametrize(
    ("command", "code", "why", "cause"),
    [
        ("exit 4", 4, "exit code 4", "exit-code"),
        ("kill -SEGV $$", 139, "killed by SIGSEGV", "signal"),
        # what a job prints itself, in whatever words, is no evidence
        ("echo AccessDenied; exit 4", 4, 'exit code 4; its log speaks of "AccessDenied"', "exit-code"),
        ("echo returned non-zero exit status 9; exit 4", 4, "exit code 4", "exit-code"),
        (
            "echo cp: No space left on device; exit 4",
            4,
            'exit code 4; its log speaks of "No space left on device"',
            "exit-code",
        ),
    ],
)
def test_what_a_job_is_said_to_have_died_of(
    command: str, code: int, why: str, cause: str, tmp_path: Path
) -> None:
    result = run(command, tmp_path)
    assert (result.code, result.why, result.cause) == (code, why, cause)


def test_a_job_that_is_killed_leaves_no_result_and_is_named(tmp_path: Path) -> None:
    result = run("kill -KILL $PPID; sleep 5", tmp_path)
    assert (result.code, result.why, result.cause) == (137, "killed by SIGKILL", "signal")


def test_a_disk_that_is_really_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any disk is full to one who wants to have all of it free."""
    monkeypatch.setattr(diagnosis, "NEARLY_FULL_BYTES", 2**70)
    monkeypatch.setattr(diagnosis, "NEARLY_FULL_SHARE", 1)
    result = run("echo 'write: No space left on device'; exit 1", tmp_path)
    assert result.cause == "disk-full"
    assert f"MB are free at {tmp_path}" in result.why


def test_what_a_job_moves_to_and_from_disks_is_measured_with_all_that_it_has_started(tmp_path: Path) -> None:
    written, read = tmp_path / "written", tmp_path / "read"
    read.write_bytes(b"x" * 3 * MB)
    # past the page cache, so that it is a disk that is read; a process of a process, as tools have them
    command = (
        f"(sh -c 'head -c {5 * MB} /dev/zero > {written}; dd if={read} of=/dev/null bs=1M iflag=direct')"
    )
    found = run(command, tmp_path).measured
    assert found.io_in is not None
    assert found.io_out is not None
    assert 3 <= found.io_in < 4
    assert 5 <= found.io_out < 6  # a few pages are what else a job writes


class Nothing:
    """The work of a job that has none but its command."""

    def get_ready(self) -> None:
        """Do nothing."""

    def carry_out(self, order: Order, root: Path) -> Done:
        return Done(())


def run(command: str, folder: Path) -> Result:
    (folder / "work").mkdir()
    order, process = Order("1", {}, command), Process(Nothing())
    process.begin(order, folder / "work")
    under_way = Job(order, folder / "work", process, Disks())
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
    monkeypatch.setattr(diagnosis, "MEMORY", ((tmp_path / "peak", tmp_path / "max"),))
    assert diagnosis.memory() == said


def test_a_disk_with_room_is_not_full(tmp_path: Path) -> None:
    assert os.statvfs(tmp_path).f_bavail
    assert diagnosis.full_disk(tmp_path) == ""
    assert diagnosis.full_disk(tmp_path / "nowhere") == ""


def test_the_workers_names_are_causes() -> None:
    for slug in diagnosis._S3_SAID:
        assert named(slug)
