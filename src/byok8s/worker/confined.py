"""Opening the files of a job while processes of another container may exchange them for links.

A path that was looked at may lead elsewhere by the time it is opened. So it is first resolved, and what that gives is
opened from the root on without following any link: what was looked at is what is read, or nothing is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from byok8s.worker.job_folder import SHARED_FOLDERS

Open = Callable[[Path], int]
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = (
    os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
)  # not to wait for who may write into a pipe


class Outside(PermissionError):
    """A path that leads out of what a job and its container have: it would be read with the worker's rights."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} leads out of the job's folder")


class Confined:
    """What a job and the container of its image both have. root: the job's, in a folder of its own.

    Of the folders above that one nothing can be exchanged there, where they are mounted.
    """

    def __init__(self, root: Path) -> None:
        own = root.parent
        self._folders = [
            Path(os.path.realpath(own.parent), own.name),
            *map(Path, map(os.path.realpath, SHARED_FOLDERS)),
        ]

    def check(self, paths: Iterable[str]) -> None:
        """Raise Outside for a path, or one below it, that leads out."""
        for path in paths:
            for each in (path, *_below(path)):
                self._resolved(Path(each))

    def open(self, path: Path) -> int:
        """Open a regular file. Return its descriptor. Raises Outside if it leads out, and OSError."""
        first, *others = self._resolved(path).parts
        try:
            return _opened(first, others)
        except OSError as error:
            if _is_exchanged(error):
                raise Outside(path) from error
            raise

    def _resolved(self, path: Path) -> Path:
        try:
            found = Path(os.path.realpath(path))
        except OSError as error:  # a link that is none any more when it is read
            raise Outside(path) from error
        if not any(found.is_relative_to(folder) for folder in self._folders):
            raise Outside(path)
        return found


def anywhere(path: Path) -> int:
    """Open a regular file wherever it is, as nobody may exchange it. Return its descriptor. Raises OSError."""
    return _regular(os.open(path, _FILE & ~os.O_NOFOLLOW))


@contextmanager
def held(path: Path, open_: Open) -> Iterator[Path]:
    """Open a file, and yield a path by which what was opened is read, whatever now has the file's name."""
    descriptor = open_(path)
    try:
        yield Path("/proc/self/fd", str(descriptor))
    finally:
        os.close(descriptor)


def _below(path: str) -> Iterator[str]:
    for at, folders, files in os.walk(path):
        yield from (os.path.join(at, name) for name in (*folders, *files))  # noqa: PTH118 - of many files


def _opened(first: str, others: list[str]) -> int:
    *folders, name = others
    at = os.open(first, _FOLDER)
    try:
        for folder in folders:
            inner = os.open(folder, _FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        return _regular(os.open(name, _FILE, dir_fd=at))
    finally:
        os.close(at)


def _regular(descriptor: int) -> int:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "no regular file")


def _is_exchanged(error: OSError) -> bool:
    """Return whether a link was met although all had been resolved."""
    return error.errno in {errno.ELOOP, errno.ENOTDIR}
