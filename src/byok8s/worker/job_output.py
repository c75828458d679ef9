"""What a job has written, kept until the controller has it: a stream that is away loses nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from byok8s.worker.confined import Open, anywhere
from byok8s.worker.protocol import Result

CHUNK_BYTES = 64 * 1024


class JobOutput:
    """The output and log files of one job. result: None while it runs."""

    def __init__(self, folder: Path) -> None:
        self.result: Result | None = None
        self._folder = folder
        folder.mkdir(parents=True)
        self._output = (folder / "output").open("ab", buffering=0)
        self._files: list[tuple[str, Path]] = []

    def write(self, data: bytes) -> None:
        """Add to the job's output. If the disk is full the rest of it is lost, and the job has failed by itself."""
        with suppress(OSError):
            self._output.write(data)

    def keep_files(self, work: Path, names: Sequence[str], open_: Open = anywhere) -> None:
        """Keep those of the rule's log files that are there, and that may be opened. work: the job's folder."""
        for number, name in enumerate(names):
            copy = self._folder / str(number)
            with suppress(OSError, ValueError):  # a name may hold a NUL
                _copy(open_(work / name), copy)
                self._files.append((name, copy))

    def output(self, start: int) -> Iterator[tuple[str, int]]:
        """Yield the output from a byte on: pieces, and the byte after each."""
        for data in _pieces(self._folder / "output", start):
            start += len(data)
            yield data.decode(errors="replace"), start

    def files(self) -> Iterator[tuple[str, str, bool]]:
        """Yield name and piece of each log file, and whether it is the file's first piece."""
        for name, copy in self._files:
            for number, data in enumerate(_pieces(copy, 0)):
                yield name, data.decode(errors="replace"), number == 0

    def drop(self) -> None:
        self._output.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _copy(source: int, copy: Path) -> None:
    """Copy a file as long as it is now. source: its descriptor, which is closed."""
    with os.fdopen(source, "rb") as opened, copy.open("wb") as kept:
        left = os.fstat(source).st_size
        while left and (data := opened.read(min(left, CHUNK_BYTES))):
            left -= kept.write(data)


def _pieces(path: Path, start: int) -> Iterator[bytes]:
    with suppress(OSError), path.open("rb") as file:
        file.seek(start)
        while data := file.read(CHUNK_BYTES):
            yield data
