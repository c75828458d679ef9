"""What a pod for one job writes: the output of the job, and behind it the rule's log files, each under a heading."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from byok8s.worker.confined import Open, anywhere

_HEADING: Final = (
    "\x1ebyok8s: the rule's log file "  # \x1e is ASCII's record separator: people do not type it
)


def write_files(output: BinaryIO, work: Path, names: Iterable[str], open_: Open = anywhere) -> None:
    """Write those that are there, and that may be opened. work: the job's folder."""
    for name in names:
        try:
            descriptor = open_(work / name)
        except (OSError, ValueError):  # a name may hold a NUL
            continue
        with os.fdopen(descriptor, "rb") as content:
            output.write(f"\n{_HEADING}{name}\n".encode())
            while data := content.read(64 * 1024):
                output.write(data)
    output.flush()


def sections(rows: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each row with the name of the file that it is of; of the job's own output that is empty."""
    name, empty = "", ""
    for row in rows:
        if row.startswith(_HEADING):
            name, empty = row.removeprefix(_HEADING).rstrip("\n"), ""
            continue
        if empty:
            yield name, empty
        empty = row if row == "\n" else ""  # the one before a heading is not of the file
        if not empty:
            yield name, row
    if empty:
        yield name, empty
