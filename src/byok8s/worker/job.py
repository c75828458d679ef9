"""One job: a child process that carries out its description, and what is known of it in the end."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from byok8s.worker import evidence, protocol, seclusion, standard_output
from byok8s.worker.description import Stored
from byok8s.worker.failure import SIGNAL_BASE, failure, of_exit_code
from byok8s.worker.folder import SHARED_FOLDERS
from byok8s.worker.protocol import Result

POD_DELETED = "pod-deleted"
KEPT_LINES = 30
KEPT_LINE_CHARACTERS = 500
GRACE_SECONDS = 3.0
RESULT = "result.json"
Become: TypeAlias = "Callable[[Order, Path], Sequence[Stored]]"
"""become(order, folder): carries out the job, and returns what it has stored."""


@dataclass(frozen=True)
class Order:
    """A job to run. description: a JobDescription as JSON, or where in the bucket it is. runtime: minutes after which
    it is ended, None for no end. logs: the rule's log files, within the job's folder.
    """

    job: str
    description: Mapping[str, Any]
    precommand: str = ""
    runtime: int | None = None
    logs: tuple[str, ...] = ()


class Job:
    """A job under way. `output` is the file descriptor to read from until it ends; then ask for `result`."""

    def __init__(self, order: Order, folder: Path, become: Become) -> None:
        """Begin it. become: what the child does, in its folder; its end is the child's."""
        self.order = order
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._partial = ""
        self._ended_because = self._ended_cause = ""
        self._full_disk = ""
        self.folder = folder
        self._ooms = evidence.oom_kills()
        self.deadline = time.monotonic() + order.runtime * 60 if order.runtime else None
        self.output, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.output)
            _live(order, folder, writing, become)
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
        if self._ended_because:
            return Result(SIGNAL_BASE + signal.SIGTERM, self._ended_because, last_lines, self._ended_cause)
        found = _left(self.folder)
        if found and found.code == 0:
            return found
        if evidence.oom_kills() > self._ooms:
            used = evidence.memory() or "used more than its limit"
            why = f"out of memory: {used} (OOMKilled); raise the rule's mem_mb"
            return Result(SIGNAL_BASE + signal.SIGKILL, why, last_lines, "out-of-memory")
        if found is None:
            ended = of_exit_code(exit_code or 1)
            found = Result(ended.code, ended.why, cause=ended.cause)
        if self._full_disk:
            found = replace(found, why=f"its disk is full: {self._full_disk}", cause="disk-full")
        elif found.cause in {"exit-code", "signal"}:
            found = replace(found, why=found.why + evidence.spoken_of(last_lines))
        return replace(found, last_lines=last_lines)

    def _remember(self, text: str) -> None:
        *whole, self._partial = (self._partial + text).split("\n")
        self._partial = self._partial[-KEPT_LINE_CHARACTERS:]
        for row in whole:
            self._keep(row)

    def _keep(self, row: str) -> None:
        if evidence.DISK_WORDS.search(row):
            self._full_disk = self._full_disk or evidence.full_disk(self.folder, *SHARED_FOLDERS)
        self._last.append(row[:KEPT_LINE_CHARACTERS])


def _live(order: Order, folder: Path, output: int, become: Become) -> NoReturn:
    """The child's whole life."""
    code = 1
    try:
        seclusion.open_to_itself()
        os.setpgid(0, 0)
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for wanted, fd in enumerate((nothing, output, output)):
            os.dup2(fd, wanted)
        os.closerange(3, 256)
        standard_output.renew()
        os.chdir(folder)
        os.environ["HOME"] = str(folder.parent / "home")
        _leave(folder, _carry_out(order, folder, become))
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, and the traceback is what tells why
        traceback.print_exc()
    finally:
        with suppress(OSError):
            standard_output.flush()
        os._exit(code)


def _carry_out(order: Order, folder: Path, become: Become) -> Result:
    try:
        if order.precommand:
            subprocess.run(["/bin/sh", "-c", order.precommand], check=True)
        return Result(0, stored=tuple(become(order, folder)))
    except BaseException as error:  # noqa: BLE001 - whatever a workflow's own code raises
        found = failure(error)
        return Result(found.code, found.why, cause=found.cause)


def _leave(folder: Path, result: Result) -> None:
    """For the worker, which only sees the process end."""
    whole = folder.parent / RESULT
    whole.with_suffix(".new").write_text(json.dumps(asdict(result)))
    whole.with_suffix(".new").replace(whole)


def _left(folder: Path) -> Result | None:
    """What the job says of its end; nothing when it was killed."""
    try:
        return protocol.result(json.loads((folder.parent / RESULT).read_text()))
    except (OSError, ValueError):
        return None


def _kill_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
