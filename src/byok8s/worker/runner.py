"""A described job, carried out: inputs fetched, its members run, outputs checked and stored.

Runs in a process of its own, whose working folder is the job's. One member alone runs in this process; several of a
level run in a process each, because pipes and services want them at once.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from byok8s.worker import machinery, outputs, standard_output
from byok8s.worker.description import Done, File, JobDescription, Member, RunDescription, Stored
from byok8s.worker.failure import Failure, failure
from byok8s.worker.measured import NOWHERE, Phases
from byok8s.worker.member import perform
from byok8s.worker.places import Places
from byok8s.worker.tool import Hand
from byok8s.worker.transfer import Transfer
from byok8s.worker.undeclared import Undeclared

SERVICE_SECONDS: Final = 60.0  # for a service to make what its consumers wait for
_RESULT: Final = "member-{}.json"


@dataclass
class Runner:
    """root: the folder that stands for the controller's. transfer: makes a connection to the bucket. phases: notes how
    long each takes.
    """

    run: RunDescription
    job: JobDescription
    root: Path
    transfer: Transfer
    phases: Phases = NOWHERE
    _began: list[Member] = field(default_factory=list)

    def carry_out(self) -> Done:
        """Do the whole job. Returns what was stored and what was left. Raises Failure, or any other error."""
        machinery.check()
        places = Places(self.run, self.root, self.job.places)
        places.enter()
        machinery.set_up_shell(self.run.shell, places.relocate)
        machinery.SCRATCH.mkdir(exist_ok=True)
        for path, content in self.job.files.items():
            _lay(self.root / path, base64.b64decode(content))
        with self.phases.timed("fetch"):
            self._fetch()
            self._bring_environments()
        hand = self._hand()
        undeclared = Undeclared(self.run, self.root, self.job.members, self._temporary_folders(places))
        kept: list[list[File]] = []
        try:
            with self.phases.timed("run"):
                for number, level in enumerate(self.job.levels):
                    self._run_level(level, places)
                    kept.append(undeclared.kept(level))
                    for path in self.job.drop[number] if number < len(self.job.drop) else ():
                        _remove(Path(path))
        except BaseException:
            with suppress(Exception):  # the failure is what matters
                hand.end()
                logs = _logs(self._began)
                hand.check(self.root, (log.path for log in logs))
                self.transfer.store(logs)
            raise
        hand.end()
        hand.check(self.root, self._made(kept))
        # level after level, so that no file of the bucket is newer than what was made of it
        with self.phases.timed("store"):
            stored = [
                stored
                for level, beside in zip(self.job.levels, kept, strict=True)
                # what is kept first: an output that is there counts as made, with all that belongs to it
                for stored in [*self.transfer.store(beside), *self._store(level)]
            ]
        return Done(stored, undeclared.left())

    def _hand(self) -> Hand:
        images = {member.image for member in self.job.members if member.image}
        asked_for = os.environ.get("BYOK8S_TOOL_VARIABLES", "").split(",")
        return Hand(images, [*self.run.environment, *asked_for])

    def _made(self, kept: Sequence[Sequence[File]]) -> Iterator[str]:
        for level, beside in zip(self.job.levels, kept, strict=True):
            for file in (*beside, *self._files(level)):
                if file.stored:
                    yield file.path

    def _temporary_folders(self, places: Places) -> list[str]:
        return [places.relocate(member.tmpdir) for member in self.job.members if member.tmpdir]

    def _fetch(self) -> None:
        members = self.job.members
        made = {file.path for member in members for file in member.output}
        inputs = [file for member in members for file in member.input if file.path not in made]
        self.transfer.fetch([*inputs, *(file for member in members for file in member.output if file.update)])

    def _bring_environments(self) -> None:
        wanted = {member.environment for member in self.job.members if member.environment}
        for environment in wanted:
            self.transfer.bring(environment)

    def _store(self, level: Sequence[Member]) -> list[Stored]:
        return self.transfer.store(self._files(level))

    def _files(self, level: Sequence[Member]) -> list[File]:
        files = [file for member in level for file in member.output]
        files += [member.benchmark for member in level if member.benchmark]
        return [*files, *_logs(level)]

    def _run_level(self, level: Sequence[Member], places: Places) -> None:
        for member in level:
            benchmark = [member.benchmark] if member.benchmark else []
            outputs.prepare(member.output, [*member.log, *benchmark])
            for file in member.output:
                if file.pipe:
                    os.mkfifo(file.path)
        self._began += level
        if len(level) == 1:
            perform(level[0], self.run, places)
        else:
            _Together(level, self.job.cores, partial(self._perform_apart, places=places)).run()
        for member in level:
            outputs.complete(member.output)

    def _perform_apart(self, number: int, member: Member, places: Places) -> NoReturn:
        """Run a member in a process that has been forked for it, and leave its failure as a file."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, lambda *_: machinery.stop_shell(member.jobid))
            perform(member, self.run, places)
            code = 0
        except BaseException as error:  # noqa: BLE001 - whatever a workflow's own code raises
            found = failure(error)
            _result_path(number).write_text(json.dumps([found.why, found.cause, found.code]))
        finally:
            with suppress(OSError):
                standard_output.flush()
            os._exit(code)


class _Together:
    """The members of a level, in processes of their own: all at once when they are tied by a pipe or a service, else as
    many as `cores` allow. start: is given a member's number and the member, in the new process.
    """

    def __init__(self, level: Sequence[Member], cores: int, start: Callable[[int, Member], NoReturn]) -> None:
        tied = any(file.pipe or file.service for member in level for file in member.output)
        self._room = sys.maxsize if tied else cores
        services = [member for member in level if _is_service(member)]
        self._waiting = [(n, m) for n, m in enumerate([*services, *(m for m in level if m not in services)])]
        self._running: dict[int, tuple[int, Member]] = {}  # by process id
        self._start = start

    def run(self) -> None:
        """Raises Failure for the first that fails; the others are ended then, and services when all else has ended."""
        try:
            while self._waiting or not all(_is_service(member) for _, member in self._running.values()):
                while self._waiting and self._fits(self._waiting[0][1]):
                    self._fork(*self._waiting.pop(0))
                self._reap()
        finally:
            self._end_all()

    def _fits(self, member: Member) -> bool:
        taken = sum(other.threads for _, other in self._running.values())
        return not self._running or taken + member.threads <= self._room

    def _fork(self, number: int, member: Member) -> None:
        if not _is_service(member):
            self._await_services()
        standard_output.flush()
        if (process := os.fork()) == 0:
            self._start(number, member)
        self._running[process] = number, member

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
            return
        if (path := _result_path(number)).is_file():
            why, cause, code = json.loads(path.read_text())
        else:
            killed = failure(subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), member.rule))
            why, cause, code = killed.why, killed.cause, killed.code
        raise Failure(f"in rule {member.rule}: {why}", cause, code)

    def _end_all(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)


def _is_service(member: Member) -> bool:
    return any(file.service for file in member.output)


def _logs(members: Sequence[Member]) -> list[Any]:
    return [file for member in members for file in member.log if Path(file.path).exists()]


def _result_path(number: int) -> Path:
    return machinery.SCRATCH / _RESULT.format(number)


def _lay(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
