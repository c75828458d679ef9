"""Where the cluster on this machine is kept, and who may change it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from byok8s.errors import InputError, InUse
from byok8s.locks.folder import try_lock


@dataclass(frozen=True)
class Home:
    """The folder of the one local cluster that a user has; only they can read it."""

    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """A file of our own: the user's kubeconfig is neither read nor written."""
        return self.folder / "kubeconfig"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def s3(self) -> Path:
        """Data, keys and log of the S3 server."""
        return self.folder / "s3"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else makes or removes the cluster meanwhile.

        Raises InUse when somebody does, InputError when the folder cannot be made or written.
        """
        with self._opened() as lock:
            if not try_lock(lock):
                raise InUse(
                    "Another `byok8s cluster up` or `down` is at work.",
                    where=f"It holds {lock.name}.",
                    hint="Wait for it to end.",
                )
            yield

    def _opened(self) -> IO[str]:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return (self.folder / "lock").open("a")
        except OSError as error:
            raise InputError(
                "The folder for the local cluster cannot be made or written.",
                where=str(error),
                hint="XDG_STATE_HOME may name another place than ~/.local/state.",
            ) from error


def home() -> Home:
    """In $XDG_STATE_HOME, usually ~/.local/state/byok8s/cluster."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Home(Path(base).absolute() / "byok8s" / "cluster")
