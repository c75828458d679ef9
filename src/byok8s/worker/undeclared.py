"""Files that a job leaves beside what its rules declare: at home they stay in the folder, in a pod they go with it.

They are found by one walk through the job's folder before its first command, and one after each level of members. What
a rule's `byok8s_keep` names is stored; all else is told, so that nothing is lost without a word.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from byok8s.worker.description import File, Left, Member, RunDescription
from byok8s.worker.pattern import expression

# of Snakemake, of Python and of other tools that keep them for themselves
PASSED_OVER: Final = frozenset(
    {
        *(".snakemake", ".byok8s", "__pycache__", ".cache", ".ipynb_checkpoints"),
        *(".config", ".local", ".jupyter"),  # in a home, which is the working folder in a container
    }
)
PARTS: Final = ".byok8s-part"  # what a fetch that was cut off has left
MOST_LOOKED_AT: Final = 100_000  # new files; a rule that keeps some has all of its own looked at
MOST_NAMED: Final = 20
LONGEST_NAME: Final = 200


class Undeclared:
    """The files that are new since this was made. root: the job's folder, in which the working folder lies.

    outside: folders whose content means nothing, as one for temporary files.
    """

    def __init__(
        self, run: RunDescription, root: Path, members: Sequence[Member], outside: Iterable[str] = ()
    ) -> None:
        self._run, self._root, self._here = run, root.resolve(), Path.cwd()
        files = [file for member in members for file in _files(member) if not file.remote]
        self._declared = {self._absolute(file.path) for file in files}
        self._declared |= {str(self._root / member.action.path) for member in members if member.action.path}
        self._passed_over = {self._absolute(file.path) for file in files if file.directory}
        self._passed_over |= {self._absolute(folder) for folder in outside} - {
            str(self._root),
            str(self._here),
        }
        self._known = set(self._walk(None))
        self._left: list[tuple[str, list[str]]] = []

    def kept(self, level: Sequence[Member]) -> list[File]:
        """Return what the members that have just run have left and keep. All else is remembered, to be told."""
        patterns = [expression(pattern) for member in level for pattern in member.keep]
        new = self._new(None if patterns else MOST_LOOKED_AT)
        kept = [path for path in new if any(pattern.fullmatch(path) for pattern in patterns)]
        kept = [path for path in kept if (self._here / path).is_file()]
        # what is left in a shadow folder, plain Snakemake deletes
        rules = dict.fromkeys(member.rule for member in level if not member.shadow)
        if rules and (lost := sorted(set(new).difference(kept))):
            self._left.append((", ".join(rules), lost))
        return [File(path, self._run.bucket, f"{self._run.prefix}{path}") for path in sorted(kept)]

    def left(self) -> tuple[Left, ...]:
        """Return what has been lost, once all members have run: what one of them has removed is not."""
        found = (
            (rule, [path for path in paths if os.path.lexists(self._here / path)])
            for rule, paths in self._left
        )
        return tuple(
            Left(rule, tuple(path[:LONGEST_NAME] for path in paths[:MOST_NAMED]), len(paths))
            for rule, paths in found
            if paths
        )

    def _absolute(self, path: str) -> str:
        return os.path.normpath(self._here / path)

    def _new(self, most: int | None) -> list[str]:
        """Return the paths, within the working folder, that were not there when this was asked before."""
        new = []
        for path in self._walk(most):
            if path not in self._known:
                self._known.add(path)
                new.append(os.path.relpath(path, self._here))
        return new

    def _walk(self, most: int | None) -> Iterator[str]:
        """Yield files and links that nobody declares. most: how many that are new."""
        folders, new = [str(self._root)], 0
        while folders:
            for entry in _entries(folders.pop()):
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in PASSED_OVER and entry.path not in self._passed_over:
                        folders.append(entry.path)
                elif _is_file(entry) and entry.path not in self._declared:
                    new += most is not None and entry.path not in self._known
                    if most is not None and new > most:
                        return
                    yield entry.path


def _files(member: Member) -> Iterator[File]:
    yield from (*member.input, *member.output, *member.log)
    if member.benchmark:
        yield member.benchmark


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # one that nobody may look into, or that is gone
        return []


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether it is a file, or a link to whatever; not a pipe, a socket or a device."""
    return (entry.is_file(follow_symlinks=False) or entry.is_symlink()) and not entry.name.endswith(PARTS)
