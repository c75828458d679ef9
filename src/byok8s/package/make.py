"""`byok8s package`: from a workflow's folder to the project of its package."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from byok8s import params
from byok8s.errors import InputError
from byok8s.files import SNAKEFILES
from byok8s.package import catalogue, contents, names, project
from byok8s.package.parse import parse
from byok8s.package.project import Package

COMMANDS = frozenset({"list", "params", "run", "show"})  # of every packaged command


def make(
    folder: Path, name: str, version: str, output: Path | None, exclude: Sequence[str], *, force: bool
) -> tuple[Package, Path]:
    """Package a folder. Returns what was packaged, and the project's folder.

    output: None for the package's name in the working folder. exclude: patterns of files to leave out. force: take
    the place of an earlier package. Raises InputError if something cannot be packaged; nothing is written then.
    """
    checked, version = names.check_name(name), names.check_version(version)
    if not folder.is_dir():
        raise InputError(f"There is no folder {str(folder)!r} to package.")
    folder = folder.resolve()
    files = contents.choose(folder, exclude)
    found = catalogue.read(folder, files)
    _check_catalogue(folder, found)
    for entry in found.params:
        params.read(folder / entry.path, [folder, folder / "workflow"])
    _check_sources(folder, files, [entry.path for entry in found.params])
    package = Package(checked, version, folder, files, found)
    place = output or Path(checked.distribution)
    project.write(package, place, force=force)
    return package, place


def _check_catalogue(folder: Path, found: catalogue.Catalogue) -> None:
    if not found.workflows:
        raise InputError(
            f"There is no workflow file in {folder}.",
            hint='A package needs at least one: a JSON or YAML file with "workflow_target" in it.',
        )
    for entry in found.workflows:
        if entry.name in COMMANDS:
            raise InputError(
                f"{entry.path} cannot be packaged: {entry.name!r} is a command of every package.",
                hint="Give the workflow file another name.",
            )


def _check_sources(folder: Path, files: Sequence[Path], given: Sequence[Path]) -> None:
    """What Snakemake reads must be in the package, wherever that is installed: tried with a copy of it elsewhere."""
    snakefile = next((place for place in SNAKEFILES if place in files), None)
    if snakefile is None:
        raise InputError(
            f"There is no Snakefile in {folder}.", where="Looked for Snakefile, workflow/Snakefile."
        )
    at_home = parse(folder, snakefile, [folder / path for path in given])
    if outside := [source for source in at_home.sources if source.startswith("..")]:
        _refuse((str((folder / path).resolve()) for path in outside), f"lies outside of {folder}")
    if at_home.absolute:
        _refuse(at_home.absolute, "lies at a fixed place, which no bucket has")
    left_out = [source for source in at_home.sources if Path(source) not in files]
    if there := [source for source in left_out if (folder / source).exists()]:
        _refuse(there, "is hidden, ignored by git or excluded, so it is left out")
    if left_out:
        _refuse(left_out, "is not there")
    if fixed := _fixed(folder, files, snakefile, given):
        _refuse(fixed, "is named by its absolute path")


def _fixed(folder: Path, files: Sequence[Path], snakefile: Path, given: Sequence[Path]) -> list[str]:
    """The sources that Snakemake still reads from the folder where the workflow itself is somewhere else."""
    with TemporaryDirectory(prefix="byok8s-") as temporary:
        copy = Path(temporary, "workflow").resolve()
        for path in files:
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, copy / path)
        try:
            moved = parse(copy, snakefile, [copy / path for path in given])
        except InputError as error:
            raise InputError(
                "Snakemake can read the Snakefile in its folder, but not from a copy with the package's files:",
                where=error.where.replace(f"{copy}/", ""),
                hint="A file that is hidden, ignored by git or excluded is left out.",
            ) from error
        return [str((copy / source).resolve()) for source in moved.sources if source.startswith("..")]


def _refuse(named: Iterable[str], why: str) -> None:
    names = list(named)
    raise InputError(
        f"{names[0]} cannot be packaged: it {why}.",
        where="So it is with " + ", ".join(names[1:]) + "." if names[1:] else "",
        hint="What the Snakefile names must be in its folder, and be named relative to the file that names it.",
    )
