"""Writes a run's RO-Crate: a new folder with the metadata and the files that it tells of, whole or not there."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from byok8s.errors import InputError
from byok8s.report import crate
from byok8s.report.figures import Figures

LICENCES: Final = ("LICENSE", "LICENCE", "COPYING")
REPORT: Final = "report.html"


@dataclass(frozen=True)
class Sources:
    """What is on this machine of a workflow. snakefile: the file; licence: that of its licence, None without one.

    name: of the Snakefile in a crate.
    """

    snakefile: Path
    name: str
    licence: Path | None


def sources(found: Figures) -> Sources:
    """Find the Snakefile of a run that is over.

    Raises InputError if the run goes on or no job of it has ended, and if the Snakefile is not here, or was changed
    since the run began.
    """
    if found.alive:
        raise InputError(
            f"Run {found.run} goes on.", hint="A crate is made of a run that is over: wait, or cancel it."
        )
    if all(each.ended is None for each in found.tries.values()):
        # an RO-Crate has to have steps, and what was done at them
        raise InputError(f"No job of run {found.run} has ended, so a crate would tell nothing.")
    said = str(found.facts.get("snakefile") or "")
    snakefile = Path(said)
    if not said or not snakefile.is_file():
        raise InputError(
            "An RO-Crate has to hold the run's Snakefile, which is not on this machine.",
            where=f"The record says that it was {said}." if said else "The record does not say which it was.",
            hint="Make the crate on the machine that the run was started on.",
        )
    if snakefile.stat().st_mtime * 1000 > found.first:
        raise InputError(
            f"{snakefile} was changed since run {found.run} began, so a crate would tell of another workflow.",
            hint="Restore the file as it was, with its time (git checkout gives it a new one: touch -d).",
        )
    folders = (
        [snakefile.parent, snakefile.parent.parent]
        if snakefile.parent.name == "workflow"
        else [snakefile.parent]
    )
    licences = [path for folder in folders for path in sorted(folder.iterdir()) if _is_licence(path)]
    name = "/".join(snakefile.relative_to(folders[-1]).parts)
    return Sources(snakefile, name, licences[0] if licences else None)


def _is_licence(path: Path) -> bool:
    return path.is_file() and path.name.partition(".")[0].upper() in LICENCES


def check(folder: Path) -> None:
    """Raise InputError for a place at which no crate can be written."""
    if os.path.lexists(folder):
        raise InputError(f"{folder} is there already, so it is left alone.", hint="Name a new folder.")
    if not folder.absolute().parent.is_dir():
        raise InputError(
            f"There is no folder {folder.absolute().parent} for the crate.", hint="Make it first."
        )


def write(folder: Path, found: Figures, of: Sources, page: bytes, now: float) -> None:
    """Write a crate. page: the report. now: seconds since 1970. Raises InputError if it cannot be written."""
    licence = of.licence.name if of.licence else ""
    beside = {REPORT: f"Report of run {found.run}"}
    contents = crate.Contents(of.name, licence, beside, now)
    words = json.dumps(crate.metadata(found, contents), indent=2).encode()
    new = folder.with_name(f".{folder.name[:100]}.{secrets.token_hex(4)}")
    try:
        try:
            (new / of.name).parent.mkdir(parents=True)
            shutil.copyfile(of.snakefile, new / of.name)
            if of.licence:
                shutil.copyfile(of.licence, new / licence)
            (new / REPORT).write_bytes(page)
            (new / crate.METADATA).write_bytes(words + b"\n")
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise InputError(f"The crate {folder} cannot be written.", where=str(error)) from error
