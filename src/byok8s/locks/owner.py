"""Who holds a lock: what it says of itself, as JSON."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class RunLocation:
    """Where a run's objects and files are. None if a run has no such thing.

    bucket: its URL with the prefix; None for the embedded one. endpoint: None for AWS.
    """

    context: str | None = None
    namespace: str | None = None
    bucket: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class LockOwner:
    """A controller. Times are in UTC.

    process: its id on its host. folder: its working folder. started: when. heard: when it last said that it
    lives. run: its id, None as long as it has none; place: of that run.
    ended: whether it ended by itself, and was not killed.
    unfinished: a controller that was killed, whose run this one has not finished.
    """

    process: int
    host: str
    user: str
    folder: str
    started: datetime
    heard: datetime
    run: str | None = None
    place: RunLocation = RunLocation()
    ended: bool = False
    unfinished: LockOwner | None = None

    def __str__(self) -> str:
        run = f"run {self.run}, " if self.run else ""
        return f"{run}process {self.process} of {self.user}@{self.host}"

    @property
    def left(self) -> LockOwner | None:
        """Itself, if it was killed during a run, else such a one that it knows of."""
        return self if self.run and not self.ended else self.unfinished

    def is_gone(self) -> bool:
        """Return whether it is known to have been killed: its process was one of this machine's."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
        return False

    def is_gone_without_run(self) -> bool:
        """Return whether it is known to have been killed, and has had no run."""
        return self.run is None and self.is_gone()

    def shares_folder(self, other: LockOwner) -> bool:
        """Return whether both use one folder. A folder of the same name on another host may be a copy."""
        return (self.host, self.folder) == (other.host, other.folder)


def this_process() -> LockOwner:
    """Return what this process says of itself when it holds a lock."""
    now = datetime.now(UTC)
    return LockOwner(os.getpid(), socket.gethostname(), user_name(), str(Path.cwd().resolve()), now, now)


def identity() -> str:
    """Return whose process this is and where, for operators of a cluster."""
    return f"{user_name()}@{socket.gethostname()}, process {os.getpid()}"


def user_name() -> str:
    """Return the name of this process' user, or the number of one that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id need not have a name
        return str(os.getuid())


def encode(holder: LockOwner) -> bytes:
    return msgspec.json.encode(holder)


def decode(content: bytes) -> LockOwner | None:
    """Read an owner; return None for what is none, as what another version of byok8s may have written."""
    try:
        return msgspec.json.decode(content, type=LockOwner)
    except msgspec.MsgspecError:
        return None
