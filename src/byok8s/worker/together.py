"""The members of a level, in processes of their own: pipes and services want them at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from byok8s.worker import machinery, standard_output
from byok8s.worker.description import Member
from byok8s.worker.failure import Failure, failure

SERVICE_SECONDS: Final = 60.0  # for a service to make what its consumers wait for
_RESULT: Final = "member-{}.json"


class Together:
    """Runs members: all at once if they are tied by a pipe or a service, else as many as `cores` allow."""

    def __init__(
        self,
        level: Sequence[Member],
        cores: int,
        perform: Callable[[Member], None],
        ended_well: list[Member],
    ) -> None:
        """perform: runs a member, in a process that is forked for it. ended_well: gets each that has ended well."""
        self._tied = any(file.pipe or file.service for member in level for file in member.output)
        self._room = sys.maxsize if self._tied else cores
        services = [member for member in level if _is_service(member)]
        self._waiting = [(n, m) for n, m in enumerate([*services, *(m for m in level if m not in services)])]
        self._running: dict[int, tuple[int, Member]] = {}  # by process id
        self._perform, self._ended_well = perform, ended_well
        self._failed: Failure | None = None

    def run(self) -> None:
        """Run them. Raises Failure for the first that fails.

        Those that run then are ended if they are tied to it; otherwise they go on to their end, as Snakemake lets them,
        and no other begins. Services are ended when all else has ended.
        """
        try:
            while self._waiting or not all(_is_service(member) for _, member in self._running.values()):
                while self._waiting and self._fits(self._waiting[0][1]):
                    self._fork(*self._waiting.pop(0))
                self._reap()
        finally:
            self._end_all()
        if self._failed:
            raise self._failed

    def _fits(self, member: Member) -> bool:
        taken = sum(other.threads for _, other in self._running.values())
        return not self._running or taken + member.threads <= self._room

    def _fork(self, number: int, member: Member) -> None:
        if not _is_service(member):
            self._await_services()
        standard_output.flush()
        if (process := os.fork()) == 0:
            self._perform_apart(number, member)
        self._running[process] = number, member

    def _perform_apart(self, number: int, member: Member) -> NoReturn:
        """Run a member in the process that has been forked for it, and leave its failure as a file."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, lambda *_: machinery.stop_shell(member.jobid))
            self._perform(member)
            code = 0
        except BaseException as error:  # noqa: BLE001 - whatever a workflow's own code raises
            found = failure(error)
            _result_path(number).write_text(json.dumps([found.why, found.cause, found.code]))
        finally:
            with suppress(OSError):
                standard_output.flush()
            os._exit(code)

    def _await_services(self) -> None:
        wanted = [Path(f.path) for _, m in self._running.values() for f in m.output if f.service]
        until = time.monotonic() + SERVICE_SECONDS
        while missing := [path for path in wanted if not os.path.lexists(path)]:
            if time.monotonic() > until:
                raise Failure(
                    f"its service did not make {missing[0]} within {SERVICE_SECONDS:.0f} s", "missing-output"
                )
            self._reap(os.WNOHANG)
            time.sleep(0.02)

    def _reap(self, options: int = 0) -> None:
        process, status = os.waitpid(-1, options)
        if process not in self._running:
            return
        number, member = self._running.pop(process)
        if not status:
            self._ended_well.append(member)
            return
        found = _failure(number, member, os.waitstatus_to_exitcode(status))
        if self._tied:
            raise found
        self._failed = self._failed or found
        self._waiting.clear()

    def _end_all(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)


def _failure(number: int, member: Member, code: int) -> Failure:
    """Return why a member has failed: by what it has left, or by its exit code."""
    if (path := _result_path(number)).is_file():
        why, cause, code = json.loads(path.read_text())
    else:
        killed = failure(subprocess.CalledProcessError(code, member.rule))
        why, cause, code = killed.why, killed.cause, killed.code
    return Failure(f"in rule {member.rule}: {why}", cause, code)


def _is_service(member: Member) -> bool:
    return any(file.service for file in member.output)


def _result_path(number: int) -> Path:
    return machinery.SCRATCH / _RESULT.format(number)
