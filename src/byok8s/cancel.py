"""The end of a run that somebody asks for: from its folder by a signal, from elsewhere by an object in its bucket."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Final

from byok8s import runs, s3
from byok8s.data import contents
from byok8s.errors import InputError
from byok8s.history.status import WORDS, word
from byok8s.locks.folder import is_locked, last_holder, try_lock
from byok8s.locks.owner import LockOwner, identity
from byok8s.run.cancel_watch import LOOK_SECONDS, NAME
from byok8s.run_record import AT_WORK, LOCK, RUNS
from byok8s.settings import Settings

PATIENCE_SECONDS: Final = 90.0  # for a run to end that has been asked to
POLL_SECONDS: Final = 2.0


def cancel(id_: str | None, said: Settings, tell: Callable[[str], None]) -> bool:
    """Ask a run to end, without its id the newest, and wait until it has. Returns whether it has.

    said: where the bucket is, if flags say it. tell: is told what is done. Raises InputError if there is no such run,
    or nobody at work on it; BucketError for a bucket that cannot be used.
    """
    run = runs.run(id_, said)
    if not run.alive:
        raise InputError(
            f"Nobody is at work on run {run.id}: {WORDS.get(word(run.state, alive=False), 'it has failed')}.",
            hint=f"If it has left pods in the cluster, `byok8s clean {run.id}` removes them.",
        )
    if is_locked(RUNS / run.id / AT_WORK):
        raise InputError(
            f"Run {run.id} is one of plain Snakemake, which byok8s does not end.",
            hint="Press Ctrl-C where it was started.",
        )
    if here := _controller_here(run.id):
        os.kill(here.process, signal.SIGINT)
        tell(f"Run {run.id} is asked to end: process {here.process} of this machine.")
        return _await_end(run.id, said)
    bucket, key = contents.place(said), f"{RUNS.as_posix()}/{run.id}/{NAME}"
    s3.put(bucket, key, identity().encode())
    tell(f"Run {run.id} is asked to end by way of its bucket: it looks every {LOOK_SECONDS:.0f} s.")
    over = _await_end(run.id, said)
    if over:
        s3.take(bucket, key)  # it may have ended by itself
    return over


def _controller_here(run: str) -> LockOwner | None:
    """Return the process that is at work on a run in this folder, on this machine."""
    holder = last_holder(LOCK)
    if holder is None or holder.run != run or holder.host != socket.gethostname():
        return None
    with LOCK.open("rb") as file:
        is_held = not try_lock(file)  # else the process with its number may be another by now
    return holder if is_held else None


def _await_end(run: str, said: Settings) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if not runs.is_at_work(run, said):
            return True
        time.sleep(POLL_SECONDS)
    return False
