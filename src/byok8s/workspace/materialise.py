"""The files of a package or repository, put into the workspace as they are."""

from __future__ import annotations

import json
import os
import shutil
import time
from filecmp import cmp
from pathlib import Path

from byok8s.workspace.source import Source

# what of the workspace is the source's
MANIFEST = Path(".byok8s", "workflow.json")
LARGE_BYTES = 1_000_000  # of a repository's file: data, of which pods get only what a rule names as a source
# Snakemake makes again what is older than its script. A file that is here for the first time has not changed since.
LONG_AGO = 946_684_800.0  # 2000-01-01


def laid(manifest: Path) -> list[str]:
    """Return the files that are noted there."""
    found: list[str] = json.loads(manifest.read_text()) if manifest.is_file() else []
    return found


def replaced(source: Source, user: Path) -> list[Path]:
    """Return the files of a package in whose place those of the user's folder are taken."""
    return [path for path in source.files() if (user / path).is_file()] if source.packaged else []


def materialise(source: Source, user: Path, place: Path, former: Path, manifest: Path | None) -> None:
    """Put a source's files into a workspace.

    former: the workspace of earlier runs: the time of a file that is the same there is kept. manifest: gets the names.
    """
    files = {path: source.folder / path for path in source.files()}
    files |= {path: user / path for path in replaced(source, user)}
    for name in laid(user / MANIFEST):
        if Path(name) not in files:
            (place / name).unlink(missing_ok=True)
    if manifest:
        # before they are there: what a kill leaves must not be taken for what a run has made
        unfinished = manifest.with_suffix(".new")
        unfinished.write_text(json.dumps([str(path) for path in files]))
        unfinished.replace(manifest)
    for path, origin in files.items():
        _put(origin, place / path, former / path, linked=_is_data(origin, source))


def _is_data(file: Path, source: Source) -> bool:
    return not source.packaged and file.stat().st_size > LARGE_BYTES


def _put(origin: Path, target: Path, former: Path, *, linked: bool) -> None:
    """former: the same file as an earlier run had it; its time counts when it is the same."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if linked:
        target.unlink(missing_ok=True)
        target.symlink_to(origin)
        return
    same = former.is_file() and cmp(origin, former, shallow=False)
    if same and target == former:
        return
    changed = former.stat().st_mtime if same else time.time() if former.is_file() else LONG_AGO
    shutil.copyfile(origin, target)
    target.chmod(origin.stat().st_mode & 0o777 | 0o200)
    os.utime(target, (changed, changed))
