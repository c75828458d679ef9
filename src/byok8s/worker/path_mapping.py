"""Map paths of the controller to those in a pod."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from byok8s.worker.description import RunDescription


class PathMapping:
    """root: the folder of this pod that stands for the controller's. more: places of one job."""

    def __init__(self, run: RunDescription, root: Path, more: Sequence[tuple[str, str]] = ()) -> None:
        self._run, self.root, self.more = run, root, more
        targets = {of: str(root / within) if within else str(root) for of, within in [*run.places, *more]}
        self._targets = {**targets, run.tmpdir: _temporary_folder()}
        # a name that merely begins like a place is another
        longest_first = sorted(self._targets, key=len, reverse=True)
        self._pattern = re.compile(rf"(?:{'|'.join(map(re.escape, longest_first))})(?![\w.-])")

    @property
    def working_folder(self) -> Path:
        return self.root / self._run.cwd

    def relocate(self, text: str) -> str:
        """Put the pod's absolute paths in place of the controller's."""
        return self._pattern.sub(lambda match: self._targets[match[0]], text) if "/" in text else text

    def enter(self, start: str | None = None) -> None:
        """Work in the job's folder, with what the Snakefile has set in the environment. start: another folder."""
        folder = self.root / (self._run.cwd if start is None else start)
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        os.environ["PWD"] = str(folder)
        for name, (before, after) in self._run.environment.items():
            os.environ[name] = self._here(name, before, after)

    def _here(self, name: str, before: str | None, after: str) -> str:
        """Add what was added to a variable on the controller, as to PATH, to its value in this image."""
        value = after.replace(before, os.environ.get(name, ""), 1) if before else after
        return self.relocate(value)


def _temporary_folder() -> str:
    import tempfile

    return tempfile.gettempdir()
