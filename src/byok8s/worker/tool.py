"""The container of a rule's own image, in the pod of the worker: what both ends of the hand-over know of it.

    /work/tool    FIFOs that both containers have, read-only in the other: requests, alive, and a folder a command
    /work/bin     the worker's alone: the program that Snakemake takes for Apptainer (hand_over.py), and what that notes
    /work/jobs    the job's folder, which both have

The other container has no credentials and runs the commands of one job after another. Between two, all that runs there
is killed.
"""

from __future__ import annotations

import json
import os
import pkgutil
import select
import shutil
import signal
import sys
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from byok8s.worker.confined import Confined, Open
from byok8s.worker.job_folder import WORK
from byok8s.worker.protocol import Result

IMAGE: Final = os.environ.get("BYOK8S_TOOL_IMAGE", "")
SHARED: Final = WORK / "tool"
OWN: Final = WORK / "bin"
PACKAGES: Final = WORK / "searchpaths"  # in the other container at Snakemake's place for them
# what a Python script's preamble loads of Snakemake, in the image's own Python
NEEDED: Final = (
    *("snakemake", "snakemake_interface_common"),
    *("snakemake_interface_logger_plugins", "snakemake_interface_storage_plugins"),
)
END_SECONDS: Final = 20.0
_BEFORE: Final = frozenset(os.environ)  # the variables of this container, before any workflow's


def command() -> str:
    """Return what Snakemake is to call in Apptainer's place."""
    return f"{sys.executable} -IS {OWN / 'hand_over.py'}"


class Unusable(Exception):
    """A container that a job cannot use as it should. cause: the name of that, one of byok8s.pods.cause."""

    def __init__(self, words: str, cause: str) -> None:
        super().__init__(words)
        self.cause = cause


class Tool:
    """The worker's end: held for as long as the worker lives, so that the other container sees when it does not."""

    def __init__(self) -> None:
        for folder in (SHARED, OWN):
            folder.mkdir(parents=True, exist_ok=True)
        (OWN / "hand_over.py").write_bytes(pkgutil.get_data("byok8s.worker", "hand_over.py") or b"")
        (OWN / "image").write_text(IMAGE)
        for name in ("alive", "requests"):  # the other begins when it sees the second
            os.mkfifo(SHARED / name, 0o600)
            if name == "alive":
                self._alive = os.open(SHARED / name, os.O_RDONLY | os.O_NONBLOCK)
        self._requests = os.open(SHARED / "requests", os.O_RDWR | os.O_NONBLOCK)

    def has_failed(self) -> bool:
        """Return whether the other container has ended although nobody has told it to."""
        return not (OWN / "quits").exists() and _is_over(self._alive, 0)

    def begin(self) -> None:
        """Forget what was noted of an earlier job."""
        (OWN / "noted").unlink(missing_ok=True)

    def clear(self) -> bool:
        """End what a job has left there. Return whether nothing of it can reach the next one."""
        cleared = _clear(self._alive) == "cleared"
        for entry in SHARED.iterdir():
            if entry.is_dir():  # of commands whose near end was killed
                shutil.rmtree(entry, ignore_errors=True)
        return cleared

    def quit(self) -> None:
        """Have the other container end, with all that runs there."""
        (OWN / "quits").touch()
        with suppress(OSError):
            os.write(self._requests, b"quit\n")

    def judged(self) -> Result | None:
        """Return why a command has failed there if more is known than its exit code."""
        try:
            noted = json.loads((OWN / "noted").read_text())
        except (OSError, ValueError):
            return None
        if shell := noted.get("lacks"):
            return Result(127, f"its image {IMAGE} has no {shell}", cause="container-no-shell")
        limit = (
            f"all of its {round(noted['limit'] / 1e6)} MB" if noted.get("limit") else "more than its limit"
        )
        why = f"out of memory: its container used {limit} (OOMKilled); raise the rule's mem_mb"
        return Result(128 + signal.SIGKILL, why, cause="out-of-memory")


def opened() -> Tool | None:
    """Return the other container if the pod has one."""
    return Tool() if IMAGE else None


class Hand:
    """The job's end, in its own process.

    images: those that its members want, which is one. workflow: the variables that it has set, or has asked for. root:
    of the job.
    """

    def __init__(self, images: Collection[str], workflow: Iterable[str], root: Path) -> None:
        self._used = bool(images)
        self._confined = Confined(root)
        if not images:
            return
        if wrong := [image for image in images if image != IMAGE]:
            raise Unusable(f"its pod has no container of the image {wrong[0]}", "worker-lost")
        self._alive = os.open(SHARED / "alive", os.O_RDONLY | os.O_NONBLOCK)
        (OWN / "own-variables").write_text("\n".join(_BEFORE - set(workflow)))

    def end(self) -> None:
        """End what still runs in the other container, and return when nothing does. Raises Unusable."""
        if self._used and not _clear(self._alive):
            raise Unusable("what runs in the container of its image does not end", "worker-lost")

    def check(self, paths: Iterable[str]) -> None:
        """Raise Outside for a path that leads out of what both containers have: before anything is stored."""
        if self._used:
            self._confined.check(paths)

    @property
    def open(self) -> Open | None:
        """Return how files are to be opened that the other container may exchange; None if there is no other."""
        return self._confined.open if self._used else None


def bring_packages() -> None:
    """Lay those of Snakemake that a Python script in the other container loads."""
    import snakemake

    source, target = Path(snakemake.__file__).parent.parent, PACKAGES / "item_0"
    if target.is_dir():
        return
    leave_out = shutil.ignore_patterns("*.pyc", "assets", "unit_tests")
    for name in NEEDED:
        shutil.copytree(source / name, target / name, ignore=leave_out)


def _clear(alive: int) -> Literal["cleared", "cannot", "gone", ""]:
    """Have all end that runs in the other container. Return what it says; nothing if it does not answer in time."""
    place = SHARED / f"clear-{os.getpid()}-{time.monotonic_ns()}"
    place.mkdir(mode=0o700)
    os.mkfifo(place / "cleared", 0o600)
    answer = os.open(place / "cleared", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with (SHARED / "requests").open("wb", buffering=0) as requests:
            requests.write(f"clear {place.name}\n".encode())
        poll = select.poll()
        poll.register(answer, select.POLLIN)
        poll.register(alive, select.POLLHUP)
        ready = dict(poll.poll(END_SECONDS * 1000))
        if answer in ready:
            return "cleared" if os.read(answer, 100) == b"cleared\n" else "cannot"
        return "gone" if ready else ""
    finally:
        os.close(answer)
        shutil.rmtree(place, ignore_errors=True)


def _is_over(alive: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(alive, select.POLLHUP)
    return any(event & select.POLLHUP for _, event in poll.poll(seconds * 1000))
