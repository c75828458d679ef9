"""What the view of a run takes of a processor, and how late it is, by the record of a large run that is played back.

usage: PYTHONPATH=tests/helpers .venv/bin/python bench/live.py --jobs 2000 --pace 20
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import statistics
import struct
import sys
import termios
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from byok8s.run import live, screen
from records import many

END = b'"job.ended"'
LINES, COLUMNS = 40, 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--pace", type=float, default=20, help="ends of jobs a second (20)")
    parser.add_argument("--workers", type=int, default=16)
    args = parser.parse_args()
    rows = many(args.jobs, args.workers).splitlines(keepends=True)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with TemporaryDirectory() as folder:
        path = Path(folder, "events.jsonl")
        if (player := os.fork()) == 0:  # apart, so that what it uses is not counted
            threading.Thread(target=_read, args=[ours], daemon=True).start()
            _play(rows, path, args.pace)
            os._exit(0)
        sys.stderr = os.fdopen(theirs, "w")
        _say(_measure(path, player), args.jobs)


def _read(terminal: int) -> None:
    with suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass


def _play(rows: list[bytes], path: Path, pace: float) -> None:
    """Write events as they happen, so many ends of jobs a second."""
    start, ends = time.monotonic(), 0
    with path.open("ab", buffering=0) as file:
        for row in rows:
            file.write(row)
            ends += END in row
            time.sleep(max(0.0, start + ends / pace - time.monotonic()))


class _Drawn(screen.Events):
    """Notes when the view has taken in what was new, just before it is drawn."""

    times: list[float] = []  # noqa: RUF012 - of the one view there is

    def look(self) -> bool:
        self.times.append(time.monotonic())
        return super().look()


def _measure(path: Path, player: int) -> tuple[list[tuple[float, float]], list[float]]:
    """Return the times and the process's processor seconds, once a second, and how far drawings are apart."""
    marks = []
    live.Events = _Drawn  # type: ignore[attr-defined]
    with live.shown("r", path):
        while not os.waitpid(player, os.WNOHANG)[0]:
            time.sleep(1)
            marks.append((time.monotonic(), time.process_time()))
    return marks, [after - before for before, after in pairwise(_Drawn.times)]


def _say(measured: tuple[list[tuple[float, float]], list[float]], jobs: int) -> None:
    marks, gaps = measured
    print(f"{jobs} jobs in {marks[-1][0] - marks[0][0]:.0f} s")
    for words, part in (("all of it", marks), ("the last 20 s", marks[-21:])):
        (start, before), (end, after) = part[0], part[-1]
        print(f"  processor, {words}: {100 * (after - before) / (end - start):.1f} % of one")
    print(f"  between two drawings: median {statistics.median(gaps):.2f} s, at most {max(gaps):.2f} s")


if __name__ == "__main__":
    main()
