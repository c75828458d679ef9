"""A job's own folder, and what is done so that nothing of one job reaches the next."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import signal
import sys
import tarfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

WORK = Path(os.environ.get("BYOK8S_WORK", "/work"))
SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 - to be emptied


def files() -> Path:
    """Where this archive lies, beside the run's other files."""
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
    return lay_out(WORK / "jobs" / job)


def lay_out(place: Path) -> Path:
    """Put the workflow's sources into a new folder at a place, which also gets a home folder beside it."""
    root = place / "work"
    root.mkdir(parents=True)
    (place / "home").mkdir()
    _unpack("sources", root)
    return root


def clean_up(spared: Collection[int]) -> None:
    """After a job: end what it left running, and remove what it left lying.

    spared: process ids that are not the job's.
    """
    _end_processes(spared)
    for folder in (WORK / "jobs", *SHARED_FOLDERS):
        with suppress(OSError):
            for entry in folder.iterdir():
                _remove(entry)


def _end_processes(spared: Collection[int]) -> None:
    """All of the container but ours: a job's daemons may have left its process group and its session."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in {os.getpid(), *spared}:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(entry.name), signal.SIGKILL)
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass  # as the container's first process we inherit orphans


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
    """An archive that lies in numbered parts, each small enough for a ConfigMap."""
    parts = sorted(files().glob(f"{name}.[0-9]*"))
    whole = io.BytesIO(b"".join(part.read_bytes() for part in parts))
    with tarfile.open(fileobj=whole) as archive:
        archive.extractall(folder)  # noqa: S202 - made by byok8s itself a moment ago
