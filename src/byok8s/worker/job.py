"""One Snakemake job: a child process that becomes Snakemake, and what is known of it in the end."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from byok8s.worker import evidence, seclusion
from byok8s.worker.folder import SHARED_FOLDERS
from byok8s.worker.protocol import Result

POD_DELETED = "pod-deleted"
KEPT_LINES = 30
KEPT_LINE_CHARACTERS = 500
GRACE_SECONDS = 3.0
SIGNAL_BASE = 128  # the shell's way to tell of a signal in an exit code
# Snakemake exits with 1 whatever the code of the command that failed, and names that code in its last words
EXIT_STATUS = re.compile(r"returned non-zero exit status (\d+)")
EXIT_SIGNAL = re.compile(r"died with <Signals\.(SIG\w+): (\d+)>")
# before what a storage plugin has to say, and where Snakemake quotes an error of another
STORAGE_FAILED = re.compile(r"^\s*(?:WorkflowError:|Failed to (?:retrieve|store|check|get|inventory)\b.*)$")


@dataclass(frozen=True)
class Order:
    """A job to run. runtime: minutes after which it is ended, None for no end. logs: the rule's log files."""

    job: str
    arguments: tuple[str, ...]
    precommand: str = ""
    runtime: int | None = None
    logs: tuple[str, ...] = ()


class Job:
    """A job under way. `output` is the file descriptor to read from until it ends; then ask for `result`."""

    def __init__(self, order: Order, folder: Path) -> None:
        self.order = order
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._partial = ""
        self._ended_because = self._ended_cause = ""
        self._blame: Result | None = None  # what Snakemake has said last of a command or a file that failed
        self._storage_failed = False
        self._full_disk = ""
        self.folder = folder
        self._ooms = evidence.oom_kills()
        self.deadline = time.monotonic() + order.runtime * 60 if order.runtime else None
        self.output, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.output)
            _become_snakemake(order, folder, writing)
        os.close(writing)

    def output_is_over(self) -> bool:
        """Whether the process has ended and has left nothing to read, although some daemon of its may hold the pipe."""
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return bool(ended) and not select.select([self.output], [], [], 0)[0]

    def read(self) -> bytes:
        """What the job has written since; nothing once it has ended."""
        data = os.read(self.output, 65536)
        self._remember(data.decode(errors="replace"))
        return data

    def end(self, because: str, cause: str) -> None:
        """Ask it to end, and make it end after a while. because, cause: the result's."""
        self._ended_because, self._ended_cause = because, cause
        _kill_group(self.pid, signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until and not os.waitid(
            os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ):
            time.sleep(0.05)
        _kill_group(self.pid, signal.SIGKILL)

    def end_with_pod(self) -> None:
        self.end("its pod was told to end", POD_DELETED)

    def result(self) -> Result:
        """Waits for the process, whose output has ended."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.output)
        _kill_group(self.pid, signal.SIGKILL)
        if self._partial:
            self._keep(self._partial)
        return self._judge(os.waitstatus_to_exitcode(status))

    def _judge(self, exit_code: int) -> Result:
        last_lines = "\n".join(self._last)
        if self._ended_because:  # whatever its code: Snakemake exits with 0 when it is asked to end
            return Result(SIGNAL_BASE + signal.SIGTERM, self._ended_because, last_lines, self._ended_cause)
        if exit_code == 0:
            return Result(0)
        if evidence.oom_kills() > self._ooms:
            used = evidence.memory() or "used more than its limit"
            why = f"out of memory: {used} (OOMKilled); raise the rule's mem_mb"
            return Result(SIGNAL_BASE + signal.SIGKILL, why, last_lines, "out-of-memory")
        if exit_code < 0:
            why = f"Snakemake was killed by {signal.Signals(-exit_code).name}"
            return Result(SIGNAL_BASE - exit_code, why, last_lines, "signal")
        blame = self._blame
        if blame is None:
            why, cause = evidence.exit_code(exit_code)
            blame = Result(exit_code, why, cause=cause)
        if self._full_disk:
            blame = replace(blame, why=f"its disk is full: {self._full_disk}", cause="disk-full")
        elif blame.cause in {"exit-code", "signal"}:
            blame = replace(blame, why=blame.why + evidence.spoken_of(last_lines))
        return replace(blame, last_lines=last_lines)

    def _remember(self, text: str) -> None:
        *whole, self._partial = (self._partial + text).split("\n")
        self._partial = self._partial[-KEPT_LINE_CHARACTERS:]
        for row in whole:
            self._keep(row)

    def _keep(self, row: str) -> None:
        if blame := _blame(row, self._storage_failed):
            self._blame = blame
        # looked at now: Snakemake removes the outputs of a job that failed
        if evidence.DISK_WORDS.search(row):
            self._full_disk = self._full_disk or evidence.full_disk(self.folder, *SHARED_FOLDERS)
        self._storage_failed = bool(STORAGE_FAILED.match(row))
        self._last.append(row[:KEPT_LINE_CHARACTERS])


def _blame(row: str, storage_failed: bool) -> Result | None:
    """What a line says of why the job fails. storage_failed: whether the line before announced a failure of storage.

    Snakemake says last what has failed: an S3 error that a job prints is followed by the job's own exit code.
    """
    if found := EXIT_STATUS.search(row):
        why, cause = evidence.exit_code(int(found[1]))
        return Result(int(found[1]), why, cause=cause)
    if found := EXIT_SIGNAL.search(row):
        return Result(SIGNAL_BASE + int(found[2]), f"killed by {found[1]}", cause="signal")
    if storage_failed and (failure := evidence.storage(row)):
        why, cause = failure
        return Result(1, why, cause=cause)
    return None


def _become_snakemake(order: Order, folder: Path, output: int) -> NoReturn:
    """The child's whole life."""
    code = 1
    try:
        seclusion.open_to_itself()
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for wanted, fd in enumerate((nothing, output, output)):
            os.dup2(fd, wanted)
        os.closerange(3, 256)
        os.chdir(folder)
        os.environ["HOME"] = str(folder.parent / "home")
        code = _precommand(order.precommand) or _snakemake(list(order.arguments))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the process ends here, and the traceback is what tells why
        import traceback

        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _precommand(command: str) -> int:
    import subprocess

    return subprocess.call(["/bin/sh", "-c", command]) if command else 0


def _snakemake(arguments: list[str]) -> int:
    sys.argv = ["snakemake", *arguments]
    sys.path.insert(0, "")
    from snakemake.cli import main

    main(arguments)
    return 0


def _kill_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
