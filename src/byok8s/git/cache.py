"""What was fetched of repositories. What has its name there is whole; a tag stays at the commit it was fetched at."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from byok8s.errors import InputError
from byok8s.files import SNAKEFILES
from byok8s.git import remote, tree
from byok8s.git.address import Address
from byok8s.git.program import Git, Refused
from byok8s.locks.folder import try_lock

_UNFINISHED: Final = "unfinished-"
_SHOWN_SNAKEFILES: Final = 10


@dataclass(frozen=True)
class Checkout:
    """A commit's files on this machine. They are shared with other runs: only to be read.

    commit: 40 digits. folder: where they are. snakefile: its path below that.
    """

    address: Address
    commit: str
    folder: Path
    snakefile: PurePosixPath

    @property
    def pinned(self) -> Address:
        """The same by its commit, which stands for the same files for ever."""
        return replace(self.address, ref=self.commit)


def fetch(
    address: Address, cache: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> Checkout:
    """The commit that an address names: from the cache, or else from the repository.

    cache: a folder, None for $XDG_CACHE_HOME/byok8s/git. say: is told when something is fetched. Raises InputError
    if the repository, its tag, its commit or its Snakefile cannot be had.
    """
    kept = _Kept((cache or _default_cache()) / _folder_name(address.url))
    try:
        commit = kept.commit(address.ref) or _fetched(kept, address, say)
    except OSError as error:
        raise InputError(
            "What is fetched of a repository cannot be kept.",
            where=str(error),
            hint="XDG_CACHE_HOME may name another place than ~/.cache.",
        ) from error
    folder = kept.tree(commit)
    return Checkout(address, commit, folder, _snakefile(address, folder))


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "byok8s" / "git"


def _folder_name(url: str) -> str:
    """One for each URL, in which people find theirs."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", url.partition("://")[2] or url).strip("-.")
    return f"{words[-80:]}-{hashlib.sha256(os.fsencode(url)).hexdigest()[:12]}"


@dataclass(frozen=True)
class _Kept:
    """What is kept of one repository: a folder for each commit, and which commit a tag is."""

    folder: Path

    def tree(self, commit: str) -> Path:
        return self.folder / commit

    @property
    def _pins(self) -> Path:
        return self.folder / "commits.json"

    def pins(self) -> dict[str, str]:
        """The commit of each tag, and of each abbreviated commit, that was fetched."""
        try:
            return msgspec.json.decode(self._pins.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except msgspec.MsgspecError as error:
            raise InputError(
                f"{self._pins} cannot be read: {error}.",
                hint=f"Remove {self.folder}: it is fetched again then.",
            ) from error

    def commit(self, ref: str) -> str | None:
        """The commit of a tag or commit whose files are here."""
        commit = ref.lower() if remote.is_whole(ref) else self.pins().get(ref)
        return commit if commit and self.tree(commit).is_dir() else None

    def pin(self, ref: str, commit: str) -> None:
        if remote.is_whole(ref):
            return
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=_UNFINISHED, delete=False) as file:
            file.write(msgspec.json.encode(self.pins() | {ref: commit}))
        Path(file.name).rename(self._pins)

    @contextmanager
    def alone(self, say: Callable[[str], None]) -> Iterator[Path]:
        """A new folder here, while nobody else fetches of this repository."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # a repository may be private
        with (self.folder / "lock").open("a") as lock:
            try:
                if not try_lock(lock):
                    say("Another byok8s is fetching the same repository: waiting for it.")
                    fcntl.flock(lock, fcntl.LOCK_EX)
                self._remove_unfinished()
            except OSError:
                pass  # no locks on this file system: both fetch then, and what has its name is whole all the same
            work = Path(tempfile.mkdtemp(dir=self.folder, prefix=_UNFINISHED))
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def _remove_unfinished(self) -> None:
        """Of those who were killed; whoever lives has the lock."""
        for left in self.folder.glob(_UNFINISHED + "*"):
            with suppress(OSError):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _fetched(kept: _Kept, address: Address, say: Callable[[str], None]) -> str:
    with kept.alone(say) as work:
        # another may have fetched it in the meantime
        if commit := kept.commit(address.ref):
            return commit
        say(f"Fetching {address.url} at {address.ref} into {kept.folder}.")
        # of a tag whose files somebody has removed the commit is known
        wanted = replace(address, ref=kept.pins().get(address.ref, address.ref))
        commit = _written(wanted, kept, work, say)
        kept.pin(address.ref, commit)
        return commit


def _written(address: Address, kept: _Kept, work: Path, say: Callable[[str], None]) -> str:
    repository = work / "repository"
    repository.mkdir()
    git = Git(repository, plain=address.url.startswith("http://"))
    try:
        git.create()
        commit = remote.bring(git, address)
        if not kept.tree(commit).is_dir():
            entries = tree.write(git, commit, work / "tree")
            if left_out := tree.submodules(entries):
                say(f"Submodules are not fetched: {', '.join(map(repr, left_out))}.")
            _move(work / "tree", kept.tree(commit))
    except Refused as error:
        raise remote.unreachable(address, error) from error
    return commit


def _move(folder: Path, to: Path) -> None:
    try:
        folder.rename(to)
    except OSError:
        if not to.is_dir():  # where there are no locks another may have been first, with the same files
            raise


def _snakefile(address: Address, folder: Path) -> PurePosixPath:
    places = (
        [PurePosixPath(address.snakefile)]
        if address.snakefile
        else [PurePosixPath(place) for place in SNAKEFILES]
    )
    for place in places:
        if (folder / place).is_file():
            return place
    there = [name for name in _snakefiles(folder) if name.isprintable()]
    more = f" and {len(there) - _SHOWN_SNAKEFILES} more" if len(there) > _SHOWN_SNAKEFILES else ""
    raise InputError(
        f"There is no {' or '.join(map(str, places))} in {address.url} at {address.ref}.",
        where=f"It has {', '.join(there[:_SHOWN_SNAKEFILES])}{more}."
        if there
        else "It has no Snakefile at all.",
        hint=f"Name one: {replace(address, snakefile=there[0])}" if there else "",
    )


def _snakefiles(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and (path.name == "Snakefile" or path.suffix == ".smk")
    )
