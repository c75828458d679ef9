"""The process of one job, forked before there is an order for it: no job waits for a fork or a connection to S3."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import subprocess
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from byok8s.worker import protocol, seclusion, standard_output
from byok8s.worker.cache import CacheEntry, entries
from byok8s.worker.description import Done
from byok8s.worker.failure import failure
from byok8s.worker.protocol import Result

RESULT = "result.json"
_ORDER = 3  # the file descriptor from which the process reads its order
NOTES = 4  # to which it writes what it keeps for other jobs, before any code of the workflow runs


@dataclass(frozen=True)
class Order:
    """A job to run. description: a JobDescription as JSON, or where in the bucket it is. runtime: minutes after which
    it is ended, None for no end. logs: the rule's log files, within the job's folder. cached: what the worker keeps of
    earlier jobs' inputs; None if it keeps nothing.
    """

    job: str
    description: Mapping[str, Any]
    precommand: str = ""
    runtime: int | None = None
    logs: tuple[str, ...] = ()
    cached: tuple[CacheEntry, ...] | None = None


class Work(Protocol):
    """What a job's process does."""

    def get_ready(self) -> None:
        """Do what every job needs, before the order is there."""

    def carry_out(self, order: Order, root: Path) -> Done:
        """Do a job in its folder. Returns what it has stored and left. Raises Failure, or any other error."""


class Process:
    """A process that waits for its order.

    pid: its number. output: the file descriptor of what it writes. notes: that of what it keeps for other jobs.
    """

    def __init__(self, work: Work) -> None:
        self.output, writing = os.pipe()
        reading, self._order = os.pipe()
        self.notes, noting = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _live(work, reading, writing, noting)
        for fd in (writing, reading, noting):
            os.close(fd)

    def is_alive(self) -> bool:
        """Return whether nothing has killed it, as the job before it can."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # what clears up after a job has waited for it
            return False

    def begin(self, order: Order, folder: Path) -> None:
        """Give it its order. What kills it from now on has killed the job."""
        os.kill(self.pid, signal.SIGCONT)  # the job before it may have stopped it, and nothing else
        words = json.dumps({"order": asdict(order), "folder": str(folder)}).encode() + b"\n"
        with suppress(BrokenPipeError), os.fdopen(self._order, "wb") as stream:
            self._order = -1
            stream.write(words)

    def end(self) -> None:
        """End it without an order."""
        with suppress(OSError):
            os.close(self._order)
        if self.is_alive():
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        os.close(self.output)
        os.close(self.notes)


def left(folder: Path) -> Result | None:
    """Return what a job has said of its end; nothing when it was killed."""
    try:
        return protocol.result(json.loads((folder.parent / RESULT).read_text()))
    except (OSError, ValueError):
        return None


def _live(work: Work, reading: int, writing: int, noting: int) -> NoReturn:
    """The whole life of the process. It cannot be looked into before it has an order: the job before it may run."""
    code = 1
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        _keep_only(reading, writing, noting)
        standard_output.renew()
        with suppress(Exception):  # what is not ready is done when it is needed, and its error told then
            work.get_ready()
        order, folder = _await_order()
        seclusion.open_to_itself()
        os.chdir(folder)
        os.environ["HOME"] = str(folder.parent / "home")
        _leave(folder, _carry_out(order, folder, work))
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, and the traceback is what tells why
        traceback.print_exc()
    finally:
        with suppress(OSError):
            standard_output.flush()
        os._exit(code)


def _keep_only(reading: int, writing: int, noting: int) -> None:
    """Let go of all that the worker has open.

    For good: what held it would close another's number when it is collected.
    """
    gc.freeze()
    # copies above all of them first: one's number may be where another is wanted
    reading, writing, noting = (
        fcntl.fcntl(fd, fcntl.F_DUPFD, NOTES + 1) for fd in (reading, writing, noting)
    )
    nothing = os.open(os.devnull, os.O_RDONLY)
    for wanted, fd in enumerate((nothing, writing, writing)):
        os.dup2(fd, wanted)
    os.dup2(reading, _ORDER)
    os.dup2(noting, NOTES, inheritable=False)
    os.closerange(NOTES + 1, 256)


def _await_order() -> tuple[Order, Path]:
    with os.fdopen(_ORDER, "rb") as stream:
        # others that were forked meanwhile have the other end too: a line ends an order, not the end of the stream
        told = json.loads(stream.readline())
    order, cached = told["order"], told["order"]["cached"]
    given = {"logs": tuple(order["logs"]), "cached": None if cached is None else tuple(entries(cached))}
    return Order(**{**order, **given}), Path(told["folder"])


def _carry_out(order: Order, folder: Path, work: Work) -> Result:
    try:
        if order.precommand:
            subprocess.run(["/bin/sh", "-c", order.precommand], check=True)
        done = work.carry_out(order, folder)
        return Result(0, stored=tuple(done.stored), left=tuple(done.left))
    except BaseException as error:  # noqa: BLE001 - whatever a workflow's own code raises
        found = failure(error)
        return Result(found.code, found.why, cause=found.cause, stored=found.stored)


def _leave(folder: Path, result: Result) -> None:
    """For the worker, which only sees the process end."""
    whole = folder.parent / RESULT
    whole.with_suffix(".new").write_text(json.dumps(asdict(result)))
    whole.with_suffix(".new").replace(whole)
