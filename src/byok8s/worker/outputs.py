"""What an output must be when its job has ended well, as Snakemake has it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from byok8s.worker.description import Ensure, File
from byok8s.worker.failure import Failure

MOST_NAMED = 5


def prepare(outputs: Sequence[File], logs: Sequence[File]) -> None:
    """Make the folders of files that a job is to write."""
    for file in (*outputs, *logs):
        if file.remote:
            continue
        Path(file.path).parent.mkdir(parents=True, exist_ok=True)


def complete(outputs: Sequence[File]) -> None:
    """Make what touch() promises, and check all else. Raises Failure."""
    made = [file for file in outputs if not (file.pipe or file.service or file.remote)]
    for file in made:
        if file.touch:
            Path(file.path).touch()
    if missing := [file.path for file in made if not Path(file.path).exists()]:
        raise Failure(f"it ended well, but did not make {_listed(missing)}", "missing-output")
    for file in made:
        _check_kind(file)
        if file.ensure:
            _check(Path(file.path), file.ensure)


def _check_kind(file: File) -> None:
    if Path(file.path).is_dir() == bool(file.directory):
        return
    of = (
        "a file, not a directory: directory() is too much"
        if file.directory
        else "a directory: it wants directory()"
    )
    raise Failure(f"its output {file.path} is {of}", "unfit-output")


def _check(path: Path, ensure: Ensure) -> None:
    """As Snakemake does for ensure()."""
    if ensure.non_empty and path.stat().st_size == 0:
        raise Failure(f"its output {path} is empty, against ensure(non_empty=True)", "unfit-output")
    if not ensure.checksum:
        return
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, ensure.algorithm).hexdigest()
    if found != ensure.checksum:
        raise Failure(
            f"its output {path} has the {ensure.algorithm} {found}, not {ensure.checksum}, against ensure()",
            "unfit-output",
        )


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:MOST_NAMED])
    return f"{shown} and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else shown
