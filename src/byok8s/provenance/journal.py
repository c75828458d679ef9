"""The records that the bucket does not have yet, in the user's folder: the next run sends what a kill has left."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Final

import msgspec

from byok8s.provenance.line import Made, Unreadable, decode, encode

FILE: Final = Path(".byok8s", "records.jsonl")


class Journal:
    """The file `.byok8s/records.jsonl`: each line a record and the bucket that it is for. Any thread may call.

    folder: that in which byok8s was started. place: the bucket, its prefix and its server.
    """

    def __init__(self, folder: Path, place: str) -> None:
        self._file = folder / FILE
        self._mark = msgspec.json.encode(place) + b"\t"
        self._lock = threading.Lock()

    def unsent(self) -> list[Made]:
        """Return the records for this bucket; what a kill has cut off is left out."""
        found: list[Made] = []
        for line in self._lines():
            if line.startswith(self._mark):
                with contextlib.suppress(Unreadable):
                    made = decode(line.removeprefix(self._mark))
                    found += [made] if isinstance(made, Made) else []
        return found

    def note(self, made: Made) -> None:
        """Add a record."""
        with self._lock, self._file.open("ab") as file:
            file.write(self._mark + encode(made) + b"\n")

    def forget(self, count: int) -> None:
        """Take away the first records for this bucket, so many of them: the bucket has them now."""
        with self._lock:
            left = []
            for line in self._lines():
                ours = line.startswith(self._mark)
                if ours and count > 0:
                    count -= 1
                else:
                    left.append(line)
            if not left:
                self._file.unlink(missing_ok=True)
                return
            half = self._file.with_suffix(".half")
            half.write_bytes(b"".join(line + b"\n" for line in left))
            half.replace(self._file)

    def _lines(self) -> list[bytes]:
        return self._file.read_bytes().splitlines() if self._file.is_file() else []
