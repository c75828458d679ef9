"""One job: the process that carries out its description, watched, and what is known of it in the end."""

from __future__ import annotations

import os
import select
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from byok8s.worker import diagnosis
from byok8s.worker.failure import SIGNAL_BASE, of_exit_code
from byok8s.worker.job_folder import SHARED_FOLDERS
from byok8s.worker.measured import FILE, Disks, measured, outage, over, waited
from byok8s.worker.memory import Memory
from byok8s.worker.process import Order, Process, left
from byok8s.worker.protocol import Result
from byok8s.worker.tool import Tool

POD_DELETED = "pod-deleted"
KEPT_LINES = 30
KEPT_LINE_CHARACTERS = 500
GRACE_SECONDS = 3.0


class Job:
    """A job under way. `output` is the file descriptor to read from until it ends; then ask for `result`."""

    def __init__(
        self, order: Order, folder: Path, process: Process, disks: Disks, tool: Tool | None = None
    ) -> None:
        """process: has this order, and works in this folder. disks: of this process. tool: of the rule's own image."""
        self.order, self._disks, self._tool = order, disks, tool
        if tool:
            tool.begin()
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._partial = ""
        self._ended_because = self._ended_cause = ""
        self._full_disk = ""
        self.folder = folder
        self._ooms, self._memory = diagnosis.oom_kills(), Memory()
        self.deadline = time.monotonic() + order.runtime * 60 if order.runtime else None
        self.pid, self.output = process.pid, process.output

    def output_is_over(self) -> bool:
        """Whether the process has ended and has left nothing to read, although some daemon of its may hold the pipe."""
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return bool(ended) and not select.select([self.output], [], [], 0)[0]

    def read(self) -> bytes:
        """What the job has written since; nothing once it has ended."""
        data = os.read(self.output, 65536)
        self._remember(data.decode(errors="replace"))
        return data

    def phases(self) -> dict[str, float]:
        """Return how many seconds each phase took that it has behind it."""
        return dict(over(self.folder.parent / FILE).phases())

    def outage(self) -> str:
        """Return why the S3 server is away that it waits for; nothing if it waits for none."""
        return outage(self.folder.parent / FILE)

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

    def look_at_memory(self) -> None:
        """Look at what it uses now. To be called again and again, as often as `memory.LOOK_SECONDS` at most."""
        self._memory.look()

    def look_at_tool(self) -> bool:
        """Return whether the container of its image has ended; the job ends then, too. The pod's status tells why."""
        if not self._tool or not self._tool.has_failed():
            return False
        self.end("the container of its image has ended", POD_DELETED)
        return True

    def result(self) -> Result:
        """Waits for the process, whose output has ended."""
        status, used = waited(self.pid, self._disks)
        os.close(self.output)
        _kill_group(self.pid, signal.SIGKILL)
        if self._partial:
            self._keep(self._partial)
        result = self._judge(os.waitstatus_to_exitcode(status))
        phases = self.folder.parent / FILE
        if self._tool:  # of what another container has used, this process knows nothing
            return replace(result, measured=over(phases))
        return replace(result, measured=measured(phases, used.with_all(self._memory.most)))

    def _judge(self, exit_code: int) -> Result:
        last_lines = "\n".join(self._last)
        if self._ended_because:
            return Result(SIGNAL_BASE + signal.SIGTERM, self._ended_because, last_lines, self._ended_cause)
        found = left(self.folder)
        if found and found.code == 0:
            return found
        if self._tool and (judged := self._tool.judged()):
            return replace(judged, last_lines=last_lines)
        if diagnosis.oom_kills() > self._ooms:
            used = diagnosis.memory() or "used more than its limit"
            why = f"out of memory: {used} (OOMKilled); raise the rule's mem_mb"
            return Result(SIGNAL_BASE + signal.SIGKILL, why, last_lines, "out-of-memory")
        if found is None:
            ended = of_exit_code(exit_code or 1)
            found = Result(ended.code, ended.why, cause=ended.cause)
        if self._full_disk:
            found = replace(found, why=f"its disk is full: {self._full_disk}", cause="disk-full")
        elif found.cause in {"exit-code", "signal"}:
            found = replace(found, why=found.why + diagnosis.spoken_of(last_lines))
        return replace(found, last_lines=last_lines)

    def _remember(self, text: str) -> None:
        *whole, self._partial = (self._partial + text).split("\n")
        self._partial = self._partial[-KEPT_LINE_CHARACTERS:]
        for row in whole:
            self._keep(row)

    def _keep(self, row: str) -> None:
        if diagnosis.DISK_WORDS.search(row):
            self._full_disk = self._full_disk or diagnosis.full_disk(self.folder, *SHARED_FOLDERS)
        self._last.append(row[:KEPT_LINE_CHARACTERS])


def _kill_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
