"""A job's own folder, and what is done so that nothing of one job reaches the next."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
import tarfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from byok8s.worker import seclusion

WORK = Path(os.environ.get("BYOK8S_WORK", "/work"))
ENVIRONMENTS = WORK / "envs"
CACHE = WORK / "cache"
OWN = (  # the worker's, in its folder
    *("worker.sock", "kept", "plugins", "parsed", "parsed.sock", "envs", "cache"),
    *("bin", "tool", "searchpaths", "jobs"),
)
JOBS = WORK / "jobs"  # stays, as the container of a rule's own image has it as a mount
SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 - to be emptied


def files() -> Path:
    """Return the folder of this archive and of the run's other files."""
    return Path(sys.argv[0]).resolve().parent


def bring_plugins() -> Path:
    """Put the storage plugin, and the S3 client when the image has none, where they can be imported from."""
    plugins = WORK / "plugins"
    plugin = plugins / "snakemake_storage_plugin_byok8s"
    plugin.mkdir(parents=True)
    for source in files().glob("storage_plugin.*.py"):
        shutil.copyfile(source, plugin / source.name.removeprefix("storage_plugin."))
    if importlib.util.find_spec("snakemake_storage_plugin_s3") is None:
        _unpack("libraries", plugins)
    return plugins


def make(job: str) -> Path:
    """Make a fresh root for a job, with the workflow's sources, as they are on the user's machine."""
    return lay_out(JOBS / job)


def lay_out(place: Path) -> Path:
    """Put the workflow's sources into a new folder at a place, which also gets a home folder beside it."""
    root = place / "work"
    root.mkdir(parents=True)
    (place / "home").mkdir()
    _unpack("sources", root)
    return root


class CleanRoom:
    """What there is before the first job, to be restored after each. To be made before any job runs."""

    def __init__(self, plugins: Path) -> None:
        self._plugins, self._marks = plugins, seclusion.marks(plugins)
        folders = dict.fromkeys([*SHARED_FOLDERS, *seclusion.shared_folders()])
        # what an image has put into a folder of everybody's is no job's; our own folders begin empty
        self._before = {
            folder: set() if folder in SHARED_FOLDERS else set(_names(folder))
            for folder in folders
            if not folder.is_relative_to(WORK)
        }

    def restore(self, spared: Collection[int]) -> bool:
        """End what a job left running, and remove what it left lying. Return whether nothing of it reaches the next.

        spared: process ids that are not the job's.
        """
        clean = seclusion.end_processes(spared) and seclusion.remove_ipc()
        for folder, before in {WORK: set(OWN), JOBS: set(), **self._before}.items():
            for name in _names(folder):
                if name not in before:
                    _remove(folder / name)
            clean = clean and set(_names(folder)) <= before | _not_ours(folder)
        return clean and seclusion.marks(self._plugins) == self._marks


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def _not_ours(folder: Path) -> set[str]:
    """Return what a job of ours cannot have made, and we cannot remove."""
    found = set()
    for name in _names(folder):
        with suppress(OSError):
            if (folder / name).lstat().st_uid != os.getuid():
                found.add(name)
    return found


def _remove(entry: Path) -> None:
    with suppress(OSError):  # what is not ours to remove was not the job's to make
        if entry.is_dir() and not entry.is_symlink():
            _open_up(entry)
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()


def _open_up(folder: Path) -> None:
    """Some tools leave folders that even their owner cannot list or empty."""
    folder.chmod(0o700)
    for path, folders, _ in os.walk(folder):
        for name in folders:
            if not Path(path, name).is_symlink():
                Path(path, name).chmod(0o700)


def _unpack(name: str, folder: Path) -> None:
    """Unpack an archive that lies in numbered parts, each small enough for a ConfigMap."""
    parts = sorted(files().glob(f"{name}.[0-9]*"))
    whole = io.BytesIO(b"".join(part.read_bytes() for part in parts))
    with tarfile.open(fileobj=whole) as archive:
        archive.extractall(folder)  # noqa: S202 - made by byok8s itself a moment ago
