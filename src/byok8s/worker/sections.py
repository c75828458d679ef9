"""What a pod for one job writes: the output of the job, and behind it the rule's log files, each under a heading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

_HEADING: Final = (
    "\x1ebyok8s: the rule's log file "  # \x1e is ASCII's record separator: people do not type it
)


def write_files(output: BinaryIO, work: Path, names: Iterable[str]) -> None:
    """Those that are there. work: the job's folder."""
    for name in names:
        if "\0" not in name and (file := work / name).is_file():
            output.write(f"\n{_HEADING}{name}\n".encode())
            with file.open("rb") as content:
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
