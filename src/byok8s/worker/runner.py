"""A described job, carried out: inputs fetched, its members run, outputs checked and stored.

Runs in a process of its own, whose working folder is the job's. One member alone runs in this process; several of a
level run in a process each, because pipes and services want them at once.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from byok8s.worker import conda, machinery, outputs
from byok8s.worker.description import Done, File, JobDescription, Member, RunDescription, Stored
from byok8s.worker.failure import failure
from byok8s.worker.measured import NOWHERE, Phases
from byok8s.worker.member import perform
from byok8s.worker.path_mapping import PathMapping
from byok8s.worker.together import Together
from byok8s.worker.tool import Hand
from byok8s.worker.transfer import Transfer
from byok8s.worker.undeclared import Undeclared


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
    _whole: list[Member] = field(default_factory=list)  # those that have ended well, in their order

    def carry_out(self) -> Done:
        """Do the whole job. Returns what was stored and what was left. Raises Failure, or any other error."""
        try:
            return self._done()
        finally:
            self.phases.note(self.transfer.moved())

    def _done(self) -> Done:
        machinery.check()
        places = PathMapping(self.run, self.root, self.job.places)
        places.enter()
        machinery.set_up_shell(self.run.shell, places.relocate)
        machinery.SCRATCH.mkdir(exist_ok=True)
        for path, content in self.job.files.items():
            _lay(self.root / path, base64.b64decode(content))
        with self.phases.timed("fetch"):
            self._fetch()
            self._bring_environments()
        self.phases.note(self.transfer.moved())  # as what comes may kill this process
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
        except BaseException as error:
            with suppress(Exception):  # the failure is what matters
                hand.end()
                logs = _logs(self._began)
                hand.check(log.path for log in logs)
                self.transfer.store(logs, hand.open)
            if not self._whole:
                raise
            found = failure(error)
            with suppress(Exception), self.phases.timed("store"):
                found.stored = tuple(self._store_whole(hand, kept))
            raise found from error
        hand.end()
        hand.check(self._made(kept))
        # level after level, so that no file of the bucket is newer than what was made of it
        with self.phases.timed("store"):
            stored = [
                stored
                for level, beside in zip(self.job.levels, kept, strict=True)
                # what is kept first: an output that is there counts as made, with all that belongs to it
                for stored in self.transfer.store(beside, hand.open)
                + self.transfer.store(self._files(level), hand.open)
            ]
        return Done(stored, undeclared.left())

    def _hand(self) -> Hand:
        images = {member.image for member in self.job.members if member.image}
        asked_for = os.environ.get("BYOK8S_TOOL_VARIABLES", "").split(",")
        return Hand(images, [*self.run.environment, *asked_for], self.root)

    def _made(self, kept: Sequence[Sequence[File]]) -> Iterator[str]:
        for level, beside in zip(self.job.levels, kept, strict=True):
            for file in (*beside, *self._files(level)):
                if file.stored:
                    yield file.path

    def _temporary_folders(self, places: PathMapping) -> list[str]:
        return [places.relocate(member.tmpdir) for member in self.job.members if member.tmpdir]

    def _fetch(self) -> None:
        members = self.job.members
        made = {file.path for member in members for file in member.output}
        inputs = [file for member in members for file in member.input if file.path not in made]
        self.transfer.fetch([*inputs, *(file for member in members for file in member.output if file.update)])

    def _bring_environments(self) -> None:
        if self.run.unused_environments:
            conda.check_use()
        wanted = {member.environment for member in self.job.members if member.environment}
        linked = not any(member.image for member in self.job.members)
        for environment in wanted:
            self.transfer.bring(environment, linked=linked)

    def _store_whole(self, hand: Hand, kept: Sequence[Sequence[File]]) -> Iterator[Stored]:
        """Store what the members have made that ended well before another failed: at home it stays, too.

        kept: for each level that is done, the files that its rules want kept.
        """
        for number, level in enumerate(self.job.levels):
            beside = kept[number] if number < len(kept) else None
            # whose undeclared files are not known by themselves has to run again to have them kept
            whole = [m for m in level if m in self._whole and (beside is not None or not m.keep)]
            files = [*(beside or ()), *self._files(whole)]
            hand.check(file.path for file in files if file.stored)
            yield from self.transfer.store(files, hand.open)

    def _files(self, level: Sequence[Member]) -> list[File]:
        files = [file for member in level for file in member.output]
        files += [member.benchmark for member in level if member.benchmark]
        return [*files, *_logs(level)]

    def _run_level(self, level: Sequence[Member], places: PathMapping) -> None:
        for member in level:
            benchmark = [member.benchmark] if member.benchmark else []
            outputs.prepare(member.output, [*member.log, *benchmark])
            for file in member.output:
                if file.pipe:
                    os.mkfifo(file.path)
        self._began += level
        ended_well: list[Member] = []
        try:
            if len(level) == 1:
                perform(level[0], self.run, places)
                ended_well = [*level]
            else:
                Together(
                    level, self.job.cores, partial(perform, run=self.run, places=places), ended_well
                ).run()
        finally:
            for member in ended_well:
                outputs.complete(member.output)
                self._whole.append(member)


def _logs(members: Sequence[Member]) -> list[Any]:
    return [file for member in members for file in member.log if Path(file.path).exists()]


def _lay(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
