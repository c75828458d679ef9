"""Where a run works, from its beginning to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from byok8s.errors import InputError
from byok8s.root import find_root
from byok8s.workspace import materialise, returns
from byok8s.workspace.source import Source

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.mirror import Mirror
    from snakemake_storage_plugin_byok8s.missing import Missing
    from snakemake_storage_plugin_byok8s.offers import Uploads
    from snakemake_storage_plugin_byok8s.watch import Watch

BYOK8S, SNAKEMAKE = Path(".byok8s"), Path(".snakemake")
WORKSPACE = BYOK8S / "workflow"
# what Snakemake keeps for the next run, and what it only needs in this one
KEPT = (
    "metadata",
    "incomplete",
    "conda",
    "conda-archive",
    "singularity",
    "log",
    "auxiliary",
    "iocache",
    "locks",
)
PASSING = frozenset({"shadow", "storage", "scripts"})


@dataclass(frozen=True)
class Parsed:
    """What was read while the Snakefile was parsed: files and folders, by their paths below the workspace's root."""

    opened: frozenset[str]
    listed: frozenset[str]


@dataclass(frozen=True)
class Workspace:
    """root: of the workspace. folder: where Snakemake works in it. user: the folder in which byok8s was started.

    of: what is mirrored. snakefile: its path in the workspace, relative to the folder. folders: the working folders, of
    which the workflow may have others; below the root.
    """

    root: Path
    folder: Path
    user: Path
    of: Path
    snakefile: Path
    folders: set[Path]


_now: list[Workspace] = []  # the workspace that this process is in; of runs within runs the last


def root() -> Path:
    """Return the workspace's root, or the working folder outside of a workspace."""
    return _now[-1].root if _now else Path.cwd()


def users_folder() -> Path:
    """Return the folder in which byok8s was started, also when a run has entered its workspace."""
    return _now[-1].user if _now else Path.cwd()


def origin() -> Path:
    """Return what the root mirrors: the folder, of the user's, whose files are linked."""
    return _now[-1].of if _now else Path.cwd()


def of_user(words: str) -> str:
    """Return words with the paths of the user's folder for those of the workspace, if all files are the user's."""
    return words if not _now or laid_files() else words.replace(str(root()), str(origin()))


def laid_files() -> list[str]:
    """Return a source's files in the workspace; without a source none. Those that are links are data."""
    if not _now:
        return []
    names = materialise.laid(_now[-1].user / materialise.MANIFEST)
    there = _now[-1].root
    return [name for name in names if (there / name).is_file() and not (there / name).is_symlink()]


def parsed() -> Parsed:
    """Return what this process has read of the workspace while Snakemake parsed the Snakefile."""
    from snakemake_storage_plugin_byok8s import watch

    watching = watch.current()
    if watching is None:
        return Parsed(frozenset(), frozenset())
    place = root()
    return Parsed(
        frozenset(path for path in watching.opened if not (place / path).is_dir()),
        frozenset(path for path in watching.listed if (place / path).is_dir()),
    )


def refused_inputs() -> list[str]:
    """Return the inputs that the bucket does not have, and that were not to be taken from the user's folder."""
    from snakemake_storage_plugin_byok8s import watch

    watching = watch.current()
    return watching.uploads.refused if watching and watching.uploads else []


def missing_inputs() -> list[Missing]:
    """Return all that the targets lack, if Snakemake has found no plan for that: by path."""
    from snakemake_storage_plugin_byok8s import watch

    watching = watch.current()
    return watching.uploads.missing if watching and watching.uploads else []


@contextmanager
def entered(
    source: Source | None,
    snakefile: Path,
    *,
    dry_run: bool,
    keep: bool = False,
    uploads: Uploads | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Workspace]:
    """Work in a workspace; what a run makes there beside the bucket is brought to the user's folder after it.

    The caller holds the lock of the user's folder, which is the working folder; a dry run needs none, for its
    workspace is a temporary one. snakefile: of a source within it, else absolute. keep: the local copies of what is in
    the bucket. uploads: who has the say about inputs that the bucket does not have. tell: what the user is to know.
    Raises InputError when something is in the way.
    """
    user = Path.cwd().resolve()
    if dry_run:
        with temporary(source, snakefile, uploads) as place:
            yield from _inside(place)
        return
    (user / BYOK8S).mkdir(exist_ok=True)
    (user / SNAKEMAKE).mkdir(exist_ok=True)
    for name in KEPT:
        (user / SNAKEMAKE / name).mkdir(exist_ok=True)
    (user / BYOK8S / "runs").mkdir(exist_ok=True)
    _bring_back_former(user, tell)
    place = _laid(source, snakefile, user, user / WORKSPACE, user / materialise.MANIFEST)
    watching = _watch(place, uploads)
    try:
        yield from _inside(place)
    finally:
        _bring_back(watching.mirror, user, tell)
        for folder in place.folders:
            returns.bring_back_state(place.root / folder / SNAKEMAKE, place.of / folder / SNAKEMAKE, PASSING)
        if not keep:
            returns.empty(place.root, materialise.laid(user / materialise.MANIFEST), links=False)


def _bring_back_former(user: Path, tell: Callable[[str], None]) -> None:
    """What a run that was killed has left."""
    from snakemake_storage_plugin_byok8s.mirror import Mirror

    if mirror := Mirror.former(user / WORKSPACE):
        _bring_back(mirror, user, tell)


def _bring_back(mirror: Mirror, user: Path, tell: Callable[[str], None]) -> None:
    laid = set(materialise.laid(user / materialise.MANIFEST))

    def is_ours(path: str) -> bool:
        return path in laid or mirror.is_copy(path)

    returns.bring_back(Path(mirror.root), Path(mirror.of), is_ours, user / BYOK8S / "made", tell)


def _watch(place: Workspace, uploads: Uploads | None) -> Watch:
    from snakemake_storage_plugin_byok8s import watch
    from snakemake_storage_plugin_byok8s.mirror import Mirror

    laid = materialise.laid(place.user / materialise.MANIFEST)
    mirror = Mirror(place.root, place.of, laid)
    mirror.lay()
    mirror.split(os.path.relpath(place.folder, place.root).removeprefix("."))
    watching = watch.watch(mirror)

    def enter(path: str) -> None:
        folder = Path(path)
        if folder not in place.folders:
            place.folders.add(folder)
            _link_notes(place, folder)

    watching.enter, watching.uploads = enter, uploads
    return watching


def _inside(place: Workspace) -> Iterator[Workspace]:
    from snakemake_storage_plugin_byok8s import watch

    _now.append(place)
    os.chdir(place.folder)
    try:
        yield place
    finally:
        os.chdir(place.user)
        _now.remove(place)
        watch.stop()


@contextmanager
def temporary(source: Source | None, snakefile: Path, uploads: Uploads | None = None) -> Iterator[Workspace]:
    """Have a workspace that leaves nothing, for what only plans."""
    with TemporaryDirectory(prefix="byok8s-") as folder:
        place = _laid(source, snakefile, Path.cwd().resolve(), Path(folder).resolve(), None)
        _watch(place, uploads)
        yield place


def _laid(source: Source | None, snakefile: Path, user: Path, root: Path, manifest: Path | None) -> Workspace:
    """Return the workspace with the source's files in it."""
    of = user if source else find_root(user, snakefile)
    within = user.relative_to(of)
    own = snakefile if source else Path(os.path.relpath(snakefile, user))
    place = Workspace(root, root / within, user, of, own, {within})
    former = user / WORKSPACE
    try:
        returns.empty(root, materialise.laid(user / materialise.MANIFEST) if source else ())
        if source:
            materialise.materialise(source, user, root, former, manifest)
        elif manifest:
            manifest.unlink(missing_ok=True)
        _link_state(place)
    except OSError as error:
        name = source.name if source else str(of)
        raise InputError(
            f"The files of {name} cannot be put where they are run: {error.strerror}.", where=f"In {root}."
        ) from error
    return place


def _link_state(place: Workspace) -> None:
    """Link the run's record and Snakemake's own notes, which are the user's; not what lies beside them."""
    (place.folder / BYOK8S).mkdir(parents=True, exist_ok=True)
    if (place.user / BYOK8S / "runs").exists():
        (place.folder / BYOK8S / "runs").symlink_to(place.user / BYOK8S / "runs")
    _link_notes(place, place.user.relative_to(place.of))


def _link_notes(place: Workspace, folder: Path) -> None:
    """Link what Snakemake has noted in a working folder of the user's."""
    (place.root / folder / SNAKEMAKE).mkdir(parents=True, exist_ok=True)
    for entry in _state(place.of / folder / SNAKEMAKE):
        if not os.path.lexists(place.root / folder / SNAKEMAKE / entry):
            (place.root / folder / SNAKEMAKE / entry).symlink_to(place.of / folder / SNAKEMAKE / entry)


def _state(folder: Path) -> list[str]:
    return (
        sorted(entry.name for entry in folder.iterdir() if entry.name not in PASSING)
        if folder.is_dir()
        else []
    )


def replaced(source: Source, user: Path) -> list[Path]:
    """Return the files of a package in whose place those of the user's folder are taken."""
    return materialise.replaced(source, user)
