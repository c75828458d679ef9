"""What keeps a job away from the worker that runs it, from the worker's stream, and from the job that comes next.

All of them are processes of one user in one container, so nothing is kept by permissions. What the kernel knows keeps
it: who may look into a process, who started it, and when a file was last changed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import stat
import struct
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
IPC_RMID = 0
# the tables of System V's shared memory, semaphores and queues, and the calls by which one is removed
TABLES = {"shm": "shmctl", "sem": "semctl", "msg": "msgctl"}
PASSES, PASS_SECONDS = 40, 0.02
PSEUDO = frozenset({"/proc", "/sys"})
DEPTH = 3  # folders below the root that are looked at for those that everybody may write to

Marks = Mapping[str, tuple[int, int, int]]


# -- processes that cannot be looked into --


def close_to_others() -> None:
    """Let no other process read or change this one's memory, or open what it has open; and inherit orphans."""
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def open_to_itself() -> None:
    """Undo that in a process that was forked: a job may look at itself."""
    _prctl(PR_SET_DUMPABLE, 1)


def _prctl(option: int, value: int) -> None:
    with suppress(OSError, AttributeError):  # not Linux: only the tests of a laptop
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


# -- a stream of the worker's alone --


def is_from_outside(peer: socket.socket) -> bool:
    """Return whether the other end is the worker, or came by the API: its parent is no process of this container.

    A job can make its own socket where the worker's is, and can speak to the worker's. It cannot choose its parent.
    """
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return _parent(struct.unpack("3i", credentials)[0]) == 0


def _parent(pid: int) -> int:
    """Return the parent of a process, 0 for one that is none of ours, -1 when there is no such process."""
    with suppress(OSError, ValueError, IndexError):
        # the name before it, in parentheses, may hold anything
        return int(Path("/proc", str(pid), "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return -1


# -- nothing left of a job --


def end_processes(spared: Collection[int]) -> bool:
    """Kill every process of ours but this one and those spared; return whether nothing is left.

    One that keeps forking is seen again and again under other numbers. Then all are killed by one call, between which
    and a fork nothing comes; those spared go with them.
    """
    if _killed_one_by_one({os.getpid(), *spared}):
        return True
    with suppress(ProcessLookupError, PermissionError):
        os.kill(-1, signal.SIGKILL)
    return _killed_one_by_one({os.getpid()})


def _killed_one_by_one(spared: Collection[int]) -> bool:
    quiet = 0
    for _ in range(PASSES):
        found = [*_ours(spared)]
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _reap()
        quiet = 0 if found else quiet + 1
        if quiet == 2:  # one may have been born behind the first look
            return True
        if found:
            time.sleep(PASS_SECONDS)
    return False


def _ours(spared: Collection[int]) -> Iterator[int]:
    """Yield the processes of our user, but those spared, that are alive or have just ended.

    One that has ended since the folder was listed may have forked another that was not there yet: a look that sees one
    has seen nothing for certain, however fast they come and go.
    """
    listed = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    for pid in set(listed) - set(spared):
        if _owner(pid) in {os.getuid(), None}:
            yield pid


def _owner(pid: int) -> int | None:
    """Return the user of a process, None for one that is gone."""
    with suppress(OSError, IndexError, ValueError, KeyError):
        status = Path("/proc", str(pid), "status").read_text(errors="replace")
        fields = dict(row.split(":\t", 1) for row in status.splitlines() if ":\t" in row)
        return int(fields["Uid"].split()[0])
    return None


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def remove_ipc() -> bool:
    """Remove what is of our user of System V's shared memory, semaphores and queues; return whether nothing is left."""
    library = ctypes.CDLL(None, use_errno=True)
    for table, call in TABLES.items():
        for number in _ipc(table):
            arguments = (number, IPC_RMID, None) if table != "sem" else (number, 0, IPC_RMID)
            getattr(library, call)(*arguments)
    return not any(_ipc(table) for table in TABLES)


def _ipc(table: str) -> list[int]:
    with suppress(OSError, ValueError):
        head, *rows = Path("/proc/sysvipc", table).read_text().splitlines()
        id_at, owner_at = (
            head.split().index(name) for name in (f"{table if table != 'msg' else 'msq'}id", "uid")
        )
        return [int(row.split()[id_at]) for row in rows if int(row.split()[owner_at]) == os.getuid()]
    return []


# -- what everybody may write to, and what nobody should --


def shared_folders() -> list[Path]:
    """Return the folders near the root that everybody may write to, as /tmp, /dev/shm and /dev/mqueue.

    Volumes are not among them: what is on one is not the worker's to remove.
    """
    found: list[Path] = []
    folders = [Path("/")]
    for _ in range(DEPTH):
        folders = [below for folder in folders for below in _folders(folder)]
        found += [folder for folder in folders if folder.lstat().st_mode & stat.S_IWOTH]
    return found


def _folders(folder: Path) -> Iterable[Path]:
    with suppress(OSError):
        for entry in os.scandir(folder):
            if (
                entry.is_dir(follow_symlinks=False)
                and entry.path not in PSEUDO
                and not _is_volume(entry.path)
            ):
                yield Path(entry.path)


def _is_volume(folder: str) -> bool:
    """Return whether something is mounted there that is not the container's own, as /dev and what is in it are."""
    return not f"{folder}/".startswith("/dev/") and os.path.ismount(folder)


def marks(folder: Path) -> Marks:
    """Return by what each file below a folder is known again: nobody can set back when its inode was changed."""
    return {
        f"{at}/{name}": (status.st_ino, status.st_size, status.st_ctime_ns)
        for at, folders, files in os.walk(folder)
        for name in (".", *folders, *files)
        for status in [Path(at, name).lstat()]
    }
