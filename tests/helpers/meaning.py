"""A small workflow as its files, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.workflow import Workflow
from folders import write_files


@dataclass(frozen=True)
class Meaning:
    """files: of the workflow's folder, by path. The rest as in conformance.workflow.Workflow."""

    files: Mapping[str, str]
    targets: Sequence[str] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    flags: Sequence[str] = ()
    fails: bool = False
    cores: int = 2
    snakefile: str | None = None
    start: str = ""
    directory: str = ""

    def written(self, folder: Path) -> Workflow:
        write_files(folder, self.files)
        return Workflow(
            folder,
            self.targets,
            self.snakefile,
            self.config,
            self.flags,
            self.cores,
            self.fails,
            self.start,
            self.directory,
        )
