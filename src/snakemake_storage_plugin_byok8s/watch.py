"""What this process opens and lists in a mirror: Python tells of it before it is done (sys.addaudithook).

So a folder can be split before somebody walks through it, and a file fetched before it is read. And what was opened
and listed while the Snakefile was parsed is known.
"""

from __future__ import annotations

import os
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from snakemake_storage_plugin_byok8s.mirror import Mirror
    from snakemake_storage_plugin_byok8s.offers import Uploads

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Watch:
    """Of one mirror.

    opened, listed: by paths within it, while `parsing`. fetch: brings the content of a name. enter: is told the working
    folders of the workflow, while `parsing`. uploads: who has the say about inputs that the bucket does not have.
    """

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.opened: set[str] = set()
        self.listed: set[str] = set()
        self.parsing = True
        self.fetch: Callable[[str], None] = lambda _: None
        self.enter: Callable[[str], None] = lambda _: None
        self.uploads: Uploads | None = None
        self._inside = threading.local()

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an event of Python's, before what it tells of is done."""
        path = arguments[0] if arguments else None
        if getattr(self._inside, "busy", False) or not isinstance(path, str | bytes | os.PathLike | None):
            return
        self._inside.busy = True
        try:
            place = self.mirror.path_of(os.fsdecode(path or "."))
            if place is not None and not {".snakemake", ".byok8s"} & set(place.split("/")):
                self._take(event, place, arguments)
        finally:
            self._inside.busy = False

    def _take(self, event: str, place: str, arguments: tuple[object, ...]) -> None:
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


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS and _current is not None:
        _current.hear(event, arguments)


def _reads(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return not set(mode) & set("wax+")
    return isinstance(flags, int) and not flags & _WRITES
