"""What this process opens and lists in a mirror: Python tells of it before it is done (sys.addaudithook).

So a folder can be split before somebody walks through it, and a file fetched before it is read. And what was opened
and listed while the Snakefile was parsed is known. Of os.stat Python does not tell, so that is wrapped: what a function
of the workflow finds missing here may be in the bucket.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snakemake_storage_plugin_byok8s.mirror import Mirror
    from snakemake_storage_plugin_byok8s.offers import Uploads

T = TypeVar("T")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Watch:
    """Of one mirror.

    opened, listed: by paths within it, while `parsing`. fetch: brings the content of a name. enter: is told the working
    folders of the workflow, while `parsing`. look: has what the bucket has of a path here, at least as names, before a
    function of the workflow looks at it; stat: tells what os.stat would of such a name. uploads: who has the say about
    inputs that the bucket does not have.
    """

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.opened: set[str] = set()
        self.listed: set[str] = set()
        self.parsing = True
        self.fetch: Callable[[str], None] = lambda _: None
        self.enter: Callable[[str], None] = lambda _: None
        self.look: Callable[[str], None] = lambda _: None
        self.stat: Callable[[str], os.stat_result | None] = lambda _: None
        self.uploads: Uploads | None = None
        self._inside = threading.local()

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an event of Python's, before what it tells of is done."""
        path = arguments[0] if arguments else None
        if isinstance(path, str | bytes | os.PathLike | None):
            self._at(path or ".", lambda place: self._take(event, place, arguments))

    def stat_of(self, path: str | bytes | os.PathLike[str]) -> os.stat_result | None:
        """Return what os.stat would of what only the bucket has, for a function of the workflow; else None."""
        return self._at(path, self.stat) if _is_looking() else None

    def _at(self, path: str | bytes | os.PathLike[str], take: Callable[[str], T]) -> T | None:
        """Call with the place of a path, if it is one of the workflow's, unless this thread is about it already."""
        if getattr(self._inside, "busy", False):
            return None
        self._inside.busy = True
        try:
            place = self.mirror.path_of(os.fsdecode(path))
            if place is None or {".snakemake", ".byok8s"} & set(place.split("/")):
                return None
            return take(place)
        finally:
            self._inside.busy = False

    def _take(self, event: str, place: str, arguments: tuple[object, ...]) -> None:
        if _is_looking():
            self.look(place)
        if event == "open":
            if not _reads(arguments):
                return
            if self.parsing:
                self.opened.add(place)
            if self.mirror.is_name(place):
                self.fetch(place)
        elif event == "os.chdir":
            self.mirror.split(place)
            if self.parsing:
                self.enter(place)
        else:
            if self.parsing:
                self.listed.add(place)
            self.mirror.split_within(place)


_thread = threading.local()


@contextmanager
def looking() -> Iterator[None]:
    """Show a function of the workflow, which this thread calls, also what is in the bucket alone."""
    before = _is_looking()
    _thread.looking = True
    try:
        yield
    finally:
        _thread.looking = before


def _is_looking() -> bool:
    return bool(getattr(_thread, "looking", False))


_EVENTS = frozenset({"open", "os.listdir", "os.scandir", "os.chdir"})
_current: Watch | None = None


def watch(mirror: Mirror) -> Watch:
    """Begin to watch a mirror, instead of the one before."""
    global _current
    _current = Watch(mirror)
    _install()
    return _current


def current() -> Watch | None:
    """Return what watches now."""
    return _current


def stop() -> None:
    """Watch no more."""
    global _current
    _current = None


@cache
def _install() -> None:
    sys.addaudithook(_hear)
    vars(os)["stat"] = _stat_also_in_the_bucket(os.stat)


def _stat_also_in_the_bucket(original: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
    """os.path.exists(), getsize() and their like, and those of pathlib, all call os.stat()."""

    @wraps(original)
    def stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        try:
            return original(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        except FileNotFoundError:
            found = _current.stat_of(path) if _current and dir_fd is None and follow_symlinks else None
            if found is None:
                raise
            return found

    return stat


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS and _current is not None:
        _current.hear(event, arguments)


def _reads(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return not set(mode) & set("wax+")
    return isinstance(flags, int) and not flags & _WRITES
