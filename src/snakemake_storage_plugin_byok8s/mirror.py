"""The private folder in which Snakemake works: a mirror, of links, of the folder that holds the workflow.

A workflow's file has the same path here as its key in the bucket. So wherever such a file is, or will be, there is no
link: what Snakemake writes or deletes here is never a file of the user's, and a file of the user's is never taken for
the bucket's. A link to a folder is split (the folder, with a link for each entry) where a file of the workflow lies
below it, and where a program looks through it, as some do not follow links.

In the place of a link that was withdrawn stays its name, as a link to nothing: it is listed, and opening it fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# where a mirror keeps what it mirrors, for the processes that Snakemake starts in it
RECORD: Final = ".byok8s/mirror.json"
# and a line for each place, as JSON, where there is or was a copy of what is in the bucket
COPIES: Final = ".byok8s/copies.jsonl"
# a link to it says that the name is known, and the content is not here
NOWHERE: Final = "/byok8s: in the bucket, not fetched; name it as an input"
NOT_LINKED: Final = frozenset({".byok8s", ".snakemake", ".git"})
# folders are split at once until there are so many entries: a program may look around in them by `cd` and `..`
SPLIT_AT_ONCE: Final = 1_000


class Mirror:
    """root: the mirror. of: what it mirrors. laid: files in it that are copies of ours, by their paths.

    Paths are relative to the root, in POSIX form. keys: those of the workflow's files, all of which are withdrawn.
    Any thread may call.
    """

    def __init__(self, root: Path, of: Path, laid: Collection[str] = ()) -> None:
        self.root, self.of = str(root), str(of)
        self.keys: set[str] = set()
        self.folders_of_keys: set[str] = set()
        self._laid = set(laid)
        self._copies: set[str] = set()
        self._real = {""}  # folders that are known to be no links
        self._lock = threading.RLock()

    @classmethod
    def load(cls, root: Path) -> Mirror:
        """Return the mirror that another process has made."""
        return cls(root, Path(json.loads((root / RECORD).read_text())["of"]))

    @classmethod
    def former(cls, root: Path) -> Mirror | None:
        """Return the mirror that an earlier run has left there, with its copies; None if there is none."""
        if not Path(root, RECORD).is_file():
            return None
        mirror = cls.load(root)
        if Path(root, COPIES).is_file():
            # what a kill has cut off names no file
            lines = Path(root, COPIES).read_text().splitlines(keepends=True)
            mirror.keys.update(json.loads(line) for line in lines if line.endswith("\n"))
        return mirror

    def lay(self) -> None:
        """Link what is there, and record it. The root has nothing but what was laid."""
        record = Path(self.root, RECORD)
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"of": self.of}))
        self._fill_real("")
        self._split_small()

    def _fill_real(self, folder: str) -> None:
        """Link what is missing in a folder and in those in it that are there already."""
        self._real.add(folder)
        there = f"{self.root}/{folder}"
        with os.scandir(there) as entries:
            real = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        self._fill(folder)
        for name in real:
            inside = _join(folder, name)
            if name not in NOT_LINKED and os.path.isdir(f"{self.of}/{inside}"):
                self._fill_real(inside)

    def _split_small(self) -> None:
        budget, folders = SPLIT_AT_ONCE, sorted(self._real)
        while folders and budget > 0:
            folder = folders.pop(0)
            for name, entries in self._small(folder, budget):
                budget -= entries
                self.split(_join(folder, name))
                folders.append(_join(folder, name))

    def path_of(self, file: str) -> str | None:
        """Return the path within the mirror of a file, as the working folder has it; None for one outside of it."""
        whole = os.path.normpath(os.path.join(os.getcwd(), file))
        if whole == self.root:
            return ""
        return whole[len(self.root) + 1 :] if whole.startswith(f"{self.root}/") else None

    def split(self, path: str) -> None:
        """Make a real folder of a link to a folder, and of those above it."""
        with self._lock:
            for folder in _down_to(path):
                if not self._split_one(folder):
                    return

    def _split_one(self, folder: str) -> bool:
        """Make a real folder of a link to a folder that is ours; return whether there is anything."""
        if folder in self._real:
            return True
        here = f"{self.root}/{folder}"
        mode = _mode(here)
        if stat.S_ISDIR(mode):
            self._real.add(folder)
        elif self._is_ours(folder) and os.path.isdir(here):
            self._replace_by_folder(folder)
            self._real.add(folder)
        return bool(mode)

    def split_within(self, path: str) -> None:
        """Make real folders of the links to folders in a folder: who walks through it may not follow links."""
        with self._lock:
            if path not in self._real and not stat.S_ISDIR(_mode(f"{self.root}/{path}")):
                return  # all below is the user's own tree
            with contextlib.suppress(OSError), os.scandir(f"{self.root}/{path}") as entries:
                links = [entry.name for entry in entries if entry.is_symlink()]
            for name in links:
                inside = _join(path, name)
                if not os.path.islink(f"{self.of}/{inside}"):
                    self.split(inside)

    def withdraw(self, path: str) -> Path | None:
        """Take away what is at the place of a file of the workflow's; return the user's file, if there was one."""
        with self._lock:
            self.keys.add(path)
            self.folders_of_keys.update(self.above(path))
            self._clear_the_way(os.path.dirname(path))
            if stat.S_ISDIR(_mode(f"{self.root}/{path}")):
                if self._unlink_within(path):
                    self.name(path)
                return None
            ours, laid = self._is_ours(path), path in self._laid
            if not (ours or laid):
                return None
            self._laid.discard(path)
            origin = Path(self.of, path) if ours else None
            self.name(path)
            return origin

    def _unlink_within(self, folder: str) -> bool:
        """Take away the links in a folder that was split; return whether it held nothing else, and is gone."""
        here = f"{self.root}/{folder}"
        found = left = False
        for place, folders, names in os.walk(here, topdown=False):
            for name in (*folders, *names):
                path = f"{place}/{name}"[len(self.root) + 1 :]
                ours = self._is_ours(path)
                found, left = found or ours, left or (not ours and name in names)
                if ours:
                    os.unlink(f"{self.root}/{path}")
                elif name in folders:
                    self._remove_empty(path)
        return found and not left and self._remove_empty(folder)

    def _remove_empty(self, folder: str) -> bool:
        with contextlib.suppress(OSError):
            os.rmdir(f"{self.root}/{folder}")
            self._real.discard(folder)
            return True
        return False

    def _clear_the_way(self, folder: str) -> None:
        """Make a folder real, or leave nothing there: a file of the user's may have the name of a folder of keys."""
        for each in _down_to(folder):
            if not self._split_one(each):
                return  # Snakemake asks for very deep ones, where a rule's pattern fits its own input
            if each not in self._real and self._is_ours(each):
                os.unlink(f"{self.root}/{each}")
                return

    def name(self, path: str) -> None:
        """Put a name there whose content is not here."""
        here = f"{self.root}/{path}"
        os.makedirs(os.path.dirname(here), exist_ok=True)
        unfinished = f"{os.path.dirname(here)}/.byok8s-{os.path.basename(here)[:200]}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
        os.symlink(NOWHERE, unfinished)
        os.replace(unfinished, here)

    def is_name(self, path: str) -> bool:
        """Tell whether only the name is there."""
        return _target(f"{self.root}/{path}") == NOWHERE

    def clear(self, path: str) -> None:
        """Take away a name, so that a job can write there."""
        if self.is_name(path):
            os.unlink(f"{self.root}/{path}")

    def expect(self, path: str) -> None:
        """Note that a copy of what is in the bucket, or will be, is about to be there: also for after a kill."""
        with self._lock:
            for folder in self.above(path):
                self.clear(folder)  # of a directory in the bucket: a file of it comes first
            if path not in self._copies:
                self._copies.add(path)
                with Path(self.root, COPIES).open("a") as record:
                    record.write(json.dumps(path) + "\n")

    def is_copy(self, path: str) -> bool:
        """Tell whether a path is a file of the workflow's, or lies within a folder that is one."""
        return any(each in self.keys for each in (path, *self.above(path)))

    @staticmethod
    def above(path: str) -> Iterator[str]:
        """Yield the folders that a path is in, the nearest first."""
        while path := os.path.dirname(path):
            yield path

    def _small(self, folder: str, budget: int) -> Iterator[tuple[str, int]]:
        """Yield the links to folders, and how many entries those have, as long as all are not more than so many."""
        with os.scandir(f"{self.root}/{folder}") as entries:
            links = sorted(entry.name for entry in entries if entry.is_symlink() and entry.is_dir())
        for name in links:
            origin = f"{self.of}/{_join(folder, name)}"
            if os.path.islink(origin) or not os.access(origin, os.R_OK | os.X_OK):
                continue
            with os.scandir(origin) as inside:
                count = sum(1 for _ in zip(range(budget + 1), inside, strict=False))
            budget -= count
            if budget < 0:
                return
            yield name, count

    def _fill(self, folder: str, into: str | None = None) -> None:
        """Link each entry of a folder. into: instead of its place."""
        target = f"{self.root}/{folder}" if into is None else into
        with os.scandir(f"{self.of}/{folder}" if folder else self.of) as entries:
            for entry in entries:
                there = f"{target}/{entry.name}"
                if entry.name not in NOT_LINKED and not os.path.lexists(there):
                    os.symlink(f"{self.of}/{_join(folder, entry.name)}", there)
                    self._keep_time(entry, there)

    @staticmethod
    def _keep_time(entry: os.DirEntry[str], link: str) -> None:
        """Give a link its file's time: Snakemake makes again what is older than the link to its script."""
        with contextlib.suppress(OSError):
            if entry.is_file():
                found = entry.stat()
                os.utime(link, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)

    def _replace_by_folder(self, path: str) -> None:
        here = f"{self.root}/{path}"
        unfinished = f"{os.path.dirname(here)}/.byok8s-{os.path.basename(here)[:200]}"
        os.mkdir(unfinished)
        self._fill(path, unfinished)
        os.unlink(here)
        os.rename(unfinished, here)

    def _is_ours(self, path: str) -> bool:
        return bool(path) and _target(f"{self.root}/{path}") == f"{self.of}/{path}"


def _down_to(path: str) -> Iterator[str]:
    """Yield the folders that a path is in, the farthest first, and the path."""
    parts = path.split("/") if path else []
    return ("/".join(parts[: number + 1]) for number in range(len(parts)))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
