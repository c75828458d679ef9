"""A new workflow folder: all of the template's files, or none of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

from byok8s.errors import InputError

TEMPLATE = Path(__file__).parent / "template"
NAMING = Path("README.md")  # the one file that names the workflow
CI = Path(".github", "workflows", "test.yml")


@dataclass(frozen=True)
class Scaffold:
    """What was made.

    folder: without symbolic links. files: below it. repository: the top of the git repository that the folder lies
    below, and so not at, or None.
    """

    folder: Path
    files: tuple[Path, ...]
    repository: Path | None


def make(folder: Path) -> Scaffold:
    """Put the template's files into a folder, which is made where it is missing.

    Raises InputError if one of the files is there already, and then nothing was written; and if they cannot be
    written, and then what was made has been removed again.
    """
    folder = Path(os.path.realpath(folder))  # unlike Path.resolve it takes a loop of links, too
    contents = _contents(folder.name or "workflow")
    nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise InputError(f"{nearest} is no folder.", hint="Name a folder, or one to be made.")
    if there := _in_the_way(folder, contents):
        raise InputError(
            "Files that would be made are there already; nothing was written.",
            where=f"In {folder}: {', '.join(map(str, there))}.",
            hint="Move them away, or name another folder: byok8s init DIR",
        )
    try:
        _write(folder, contents)
    except OSError as error:
        raise InputError(
            f"The workflow's files cannot be written: {error.strerror}.",
            where=f"At {error.filename or folder}. Nothing of them is left.",
        ) from error
    return Scaffold(folder, tuple(contents), _repository_above(folder))


def _contents(name: str) -> dict[Path, str]:
    """By their paths below the folder. name: the workflow's."""
    paths = sorted(path.relative_to(TEMPLATE) for path in TEMPLATE.rglob("*") if path.is_file())
    contents = {
        path: (TEMPLATE / path).read_text(encoding="utf-8")
        for path in paths
        if "__pycache__" not in path.parts
    }
    shown = name.encode(errors="replace").decode()  # a folder's name may be no UTF-8
    contents[NAMING] = Template(contents[NAMING]).substitute(name=shown, package=package_name(name))
    return contents


def package_name(name: str) -> str:
    """A folder's name as that of a package and its command."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "workflow"


def _in_the_way(folder: Path, paths: Iterable[Path]) -> list[Path]:
    """Those of the paths that are there already, and files where the paths need folders."""
    parents = {parent for path in paths for parent in path.parents}
    files = {
        parent for parent in parents if os.path.lexists(folder / parent) and not (folder / parent).is_dir()
    }
    return sorted(files | {path for path in paths if os.path.lexists(folder / path)})


def _write(folder: Path, contents: Mapping[Path, str]) -> None:
    with ExitStack() as undo:
        for path, content in contents.items():
            _make_folder((folder / path).parent, undo)
            # never over a file that came meanwhile
            with (folder / path).open("x", encoding="utf-8") as file:
                undo.callback(_without_fail, (folder / path).unlink)
                file.write(content)
        undo.pop_all()


def _make_folder(folder: Path, undo: ExitStack) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent, undo)
    folder.mkdir()
    undo.callback(_without_fail, folder.rmdir)


def _without_fail(remove: Callable[[], None]) -> None:
    """A folder that somebody has put a file into stays."""
    with suppress(OSError):
        remove()


def _repository_above(folder: Path) -> Path | None:
    tops = (parent for parent in (folder, *folder.parents) if (parent / ".git").exists())
    top = next(tops, None)
    return None if top == folder else top
