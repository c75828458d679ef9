"""The uploads by parts that this folder has begun and not finished: only these are resumed.

Whoever began another one of the same key, on another machine or a moment ago, may be at it, with another content. An
upload's file here belongs to one process at a time, as long as that lives.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

from snakemake_storage_plugin_byok8s.own_file import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Upload:
    """An upload. id: S3's. sum: the checksum of the content that it is for."""

    id: str
    sum: str


class Note:
    """What is known of one upload. file: None if it is another process's, or nothing can be written here."""

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file

    @property
    def lasts(self) -> bool:
        """Return whether what is noted is there for whoever resumes it after a kill."""
        return self._file is not None

    def read(self) -> Upload | None:
        """Return the upload that was begun here; None if there is none."""
        if not self._file:
            return None
        self._file.seek(0)
        try:
            return Upload(**json.loads(self._file.read()))
        except (ValueError, TypeError):  # it is new, or a kill has cut it off
            return None

    def write(self, upload: Upload) -> None:
        """Note an upload, in place of what was noted."""
        if self._file:
            self._file.truncate(0)
            self._file.write(json.dumps(asdict(upload)))
            self._file.flush()


class Begun:
    """The uploads of a folder. folder: for a file each; None if none of them is ever resumed."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextmanager
    def of(self, address: str) -> Iterator[Note]:
        """Have what is known of the upload to an address; it is forgotten if the block comes to its end."""
        path = self._folder / _digest(address) if self._folder else None
        file = _opened(path) if path else None
        if not path or not file:
            yield Note()
            return
        with file:
            yield Note(file)
            path.unlink(missing_ok=True)


def _opened(path: Path) -> IO[str] | None:
    """Return a file that is ours now; None if another process has it, or there are no files or locks here."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return locked(path)
    except OSError:
        return None


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()[:32]
