"""A commit's files, written as they are into a folder, and nothing outside of it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from byok8s.errors import InputError
from byok8s.git.program import Git, Objects

_EXECUTABLE, _LINK, _SUBMODULE = "100755", "120000", "160000"
# a later year would not fit into what file systems keep
_COMMITTED: Final = re.compile(rb"^committer [^\n]*> (\d{1,11}) [+-]\d+$", re.MULTILINE)


@dataclass(frozen=True)
class TreeEntry:
    """A file, link or submodule of a commit.

    name: the hash of its content.
    """

    path: PurePosixPath
    mode: str
    name: str

    @property
    def is_link(self) -> bool:
        return self.mode == _LINK

    @property
    def is_submodule(self) -> bool:
        return self.mode == _SUBMODULE


def write(git: Git, commit: str, folder: Path) -> list[TreeEntry]:
    """Make `folder`, with the commit's files in it, each with the commit's time. Returns what it has.

    The time is the commit's, for Snakemake compares those of files: a tree that is fetched again elsewhere is as old
    as it was. Submodules are left out. Raises InputError if a name or a link would be dangerous; Refused if
    the commit is not whole; OSError if it cannot be written.
    """
    entries = parse(git.read("ls-tree", "-r", "-z", "--full-tree", commit))
    files = [entry for entry in entries if not entry.is_submodule]
    with git.objects() as objects:
        time = _time(objects.read(commit))
        folder.mkdir()
        # links last: nothing is written through one, however its name is compared on this file system
        for entry in sorted(files, key=lambda entry: entry.is_link):
            path = folder / entry.path
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(objects, entry, path)
            except FileExistsError as error:
                raise InputError(
                    f"The repository has two names that are one on this machine's disk: {str(entry.path)!r}"
                    " and another."
                ) from error
            os.utime(path, (time, time), follow_symlinks=False)
    return entries


def _write(objects: Objects, entry: TreeEntry, path: Path) -> None:
    if entry.is_link:
        target = os.fsdecode(objects.read(entry.name))
        refuse_link(entry.path, target)
        path.symlink_to(target)
        return
    mode = 0o777 if entry.mode == _EXECUTABLE else 0o666  # less the user's umask
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        objects.copy(entry.name, file)


def _time(commit: bytes) -> int:
    found = _COMMITTED.search(commit.partition(b"\n\n")[0])
    if found is None:
        raise InputError("The commit does not say when it was made.")
    return int(found[1])


def parse(listing: bytes) -> list[TreeEntry]:
    """What `git ls-tree -r -z` printed. Raises InputError for a name that leads elsewhere."""
    entries = []
    for line in listing.split(b"\0")[:-1]:
        about, _, name = line.partition(b"\t")
        mode, _, hash_ = about.decode().split()
        entries.append(TreeEntry(_path(os.fsdecode(name)), mode, hash_))
    _refuse_twice([entry.path for entry in entries])
    return entries


def _path(name: str) -> PurePosixPath:
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InputError(f"The repository holds the name {name!r}, which leads elsewhere.")
    if any(_is_gits(part) for part in parts):
        raise InputError(
            f"The repository holds the name {name!r}: git would take that folder for a repository of its own."
        )
    return PurePosixPath(name)


def _is_gits(part: str) -> bool:
    """Whether some file system takes it for .git."""
    letters = "".join(letter for letter in part if unicodedata.category(letter) != "Cf")
    return letters.casefold().rstrip(" .") in (".git", "git~1")


def _refuse_twice(paths: Sequence[PurePosixPath]) -> None:
    """git itself makes no tree with a name twice, or with a file that has files below it."""
    seen: set[PurePosixPath] = set()
    folders = {parent for path in paths for parent in path.parents}
    for path in paths:
        if path in seen or path in folders:
            raise InputError(f"The repository holds the name {str(path)!r} twice.")
        seen.add(path)


def refuse_link(path: PurePosixPath, target: str) -> None:
    """Raises InputError for a link that may lead out of the tree.

    As .. comes first alone, it goes up real folders; what follows goes down, by links too, which are such links.
    """
    parts = target.split("/")
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    if target.startswith("/") or ".." in parts[up:] or up > len(path.parents) - 1:
        raise InputError(
            f"The repository's link {str(path)!r} leads to {target!r}, out of the repository.",
            hint="A link's .. must come first and lead to a folder of the repository.",
        )


def submodules(entries: Iterable[TreeEntry]) -> list[str]:
    return [str(entry.path) for entry in entries if entry.is_submodule]
