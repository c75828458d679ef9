"""The folder in which a workflow from elsewhere is run: its files, and links to what is in the user's folder."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory

from byok8s.elsewhere.source import Source
from byok8s.errors import InputError

BYOK8S, SNAKEMAKE = Path(".byok8s"), Path(".snakemake")
WORKSPACE = BYOK8S / "workflow"
# what of the workspace is the source's: all else in it is linked, or was made by a run
LAID = BYOK8S / "workflow.json"
NOT_LINKED = frozenset(
    {".byok8s", ".snakemake", ".git"}
)  # the first two are linked apart; git would take it for its own
LARGE_BYTES = 1_000_000  # of a repository's file: data, of which pods get only what a rule names as a source
# Snakemake makes anew what is older than its script. A file that is here for the first time has not changed since.
LONG_AGO = 946_684_800.0  # 2000-01-01


def users_folder() -> Path:
    """The folder in which byok8s was started, also where a run has entered its workspace."""
    return BYOK8S.resolve().parent if _is_workspace() else Path.cwd()


def laid_files() -> list[str]:
    """In a workspace, the source's files; elsewhere none. Those that are links are data."""
    names = json.loads(LAID.read_text()) if _is_workspace() else []
    return [name for name in names if Path(name).is_file() and not Path(name).is_symlink()]


def _is_workspace() -> bool:
    """Of the working folder."""
    return BYOK8S.is_symlink() and BYOK8S.resolve() == Path.cwd().parent


@contextmanager
def entered(source: Source, *, dry_run: bool) -> Iterator[None]:
    """This process works in the source's workspace, and what it makes there is brought to the user's folder after it.

    The caller holds the lock of the user's folder, which is the working folder; a dry run needs none, for its
    workspace is a temporary one. Raises InputError where something in the user's folder is in the way.
    """
    user = Path.cwd()
    with ExitStack() as stack:
        place = stack.enter_context(temporary(source)) if dry_run else user / WORKSPACE
        if not dry_run:
            for kept in (BYOK8S, SNAKEMAKE):
                (user / kept).mkdir(exist_ok=True)
            laid = _lay(source, user, place, user / LAID)
        os.chdir(place)
        try:
            yield
        finally:
            os.chdir(user)
            if not dry_run:
                _bring_back(place, user, set(laid))


@contextmanager
def temporary(source: Source) -> Iterator[Path]:
    """A workspace that leaves nothing, for what only plans. The working folder is the user's."""
    with TemporaryDirectory(prefix="byok8s-") as folder:
        _lay(source, Path.cwd(), Path(folder), None)
        yield Path(folder)


def replaced(source: Source, user: Path) -> list[Path]:
    """The files in whose place those of the user's folder are taken."""
    return [path for path in source.files() if (user / path).is_file()] if source.packaged else []


def _lay(source: Source, user: Path, place: Path, record: Path | None) -> list[str]:
    """Returns the names of the source's files. record: gets them, too."""
    try:
        return _laid(source, user, place, record)
    except OSError as error:
        raise InputError(
            f"The files of {source.name} cannot be put where they are run: {error.strerror}.",
            where=f"In {place}.",
        ) from error


def _laid(source: Source, user: Path, place: Path, record: Path | None) -> list[str]:
    laid = {path: source.folder / path for path in source.files()}
    laid |= {path: user / path for path in replaced(source, user)}
    _remove_former(user, place, laid)
    names = [str(path) for path in laid]
    if record:
        # before they are there: what a kill leaves must not be taken for what a run has made
        unfinished = record.with_suffix(".new")
        unfinished.write_text(json.dumps(names))
        unfinished.replace(record)
    for path, origin in laid.items():
        _put(origin, place / path, user / WORKSPACE / path, linked=_is_data(origin, source))
    for kept in (BYOK8S, SNAKEMAKE):
        if (user / kept).is_dir() and not (place / kept).is_symlink():
            (place / kept).symlink_to(user / kept)
    _link(user, place, Path())
    return names


def _is_data(file: Path, source: Source) -> bool:
    return not source.packaged and file.stat().st_size > LARGE_BYTES


def _remove_former(user: Path, place: Path, laid: Collection[Path]) -> None:
    """What an earlier version had and this one has not; and links to what is no more, or where the source has its own.

    Through a link to one of the user's folders the source's files would land there.
    """
    own = {*laid, *(parent for path in laid for parent in path.parents)}
    former = json.loads((user / LAID).read_text()) if (user / LAID).is_file() else []
    for name in former:
        if Path(name) not in laid:
            (place / name).unlink(missing_ok=True)
    for folder, folders, names in os.walk(place):
        for entry in (Path(folder, name) for name in [*folders, *names]):
            if entry.is_symlink() and (not entry.exists() or entry.relative_to(place) in own):
                entry.unlink()


def _put(origin: Path, target: Path, former: Path, *, linked: bool) -> None:
    """former: the same file as an earlier run had it; its time counts where it is the same."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if linked:
            target.unlink(missing_ok=True)
            target.symlink_to(origin)
            return
        same = former.is_file() and cmp(origin, former, shallow=False)
        if same and target == former:
            return
        changed = former.stat().st_mtime if same else time.time() if former.is_file() else LONG_AGO
        shutil.copyfile(origin, target)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(
            f"There is no place for the workflow's {target.name}: {error.strerror}.",
            where=f"It goes to {target}.",
            hint="Remove what is there.",
        ) from error
    target.chmod(origin.stat().st_mode & 0o777 | 0o200)
    os.utime(target, (changed, changed))


def _link(user: Path, place: Path, within: Path) -> None:
    """What is in the user's folder and not the source's; of a folder that both have, what is in it."""
    for entry in sorted((user / within).iterdir()):
        path = within / entry.name
        target = place / path
        if str(path) in NOT_LINKED:
            continue
        if target.is_dir() and not target.is_symlink() and entry.is_dir():
            _link(user, place, path)
        elif not os.path.lexists(target):
            target.symlink_to(entry)


def _bring_back(place: Path, user: Path, laid: Collection[str]) -> None:
    """What the run made beside the bucket, such as a rule's log on this machine, or a report."""
    for folder, _, names in os.walk(place):
        for file in (Path(folder, name) for name in names):
            path = file.relative_to(place)
            if not file.is_symlink() and str(path) not in laid and "__pycache__" not in path.parts:
                (user / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file, user / path)
