"""Puts a run's events into the bucket while it runs, and what failed jobs have said.

So they are there whatever becomes of its controller.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from byok8s import s3
from byok8s.errors import BucketError
from byok8s.history.event import COMPLETE, parsed
from byok8s.history.writer import History
from byok8s.workspace import walk

EVERY_SECONDS: Final = 10.0
URGENT_SECONDS: Final = 1.0  # between two flushes, however much fails
SHARE: Final = 20  # a flush of a long record takes a while: this many times as long there is none after it
LAST_SECONDS: Final = 5.0  # to wait for the last flush
MOST_FAILURES: Final = 50  # whose logs come along with one flush; all come in the end
LOGS_SECONDS: Final = 30.0


@contextmanager
def flushed(bucket: s3.Bucket, under: str, events: History, warn: Callable[[str], None]) -> Iterator[None]:
    """Have events in the bucket, at most some seconds late, and in the end all of them.

    under: the record's place below the bucket's prefix. warn: is told once of a bucket that takes nothing.
    """
    flusher = _Flusher(bucket, under, events, warn)
    thread = threading.Thread(target=flusher.live, name="flush", daemon=True)
    thread.start()
    try:
        yield
    finally:
        flusher.over.set()
        events.urgent.set()
        thread.join(LAST_SECONDS)


class _Flusher:
    """over: is set when no event comes any more; then there is one last flush."""

    def __init__(self, bucket: s3.Bucket, under: str, events: History, warn: Callable[[str], None]) -> None:
        self.over = threading.Event()
        self._bucket, self._events, self._warn = bucket, events, warn
        self._under = under
        self._names: dict[object, str] = {}  # of jobs under way, by id
        self._put = 0  # bytes
        self._begun = self._failed = False

    def live(self) -> None:
        pause = 0.0
        while not self.over.is_set():
            self.over.wait(pause)
            # the first soon: whoever asks from elsewhere finds the run
            every = EVERY_SECONDS if self._put else URGENT_SECONDS
            self._events.urgent.wait(max(0.0, every - pause))
            self._events.urgent.clear()
            start = time.monotonic()
            self._flush()
            pause = max(URGENT_SECONDS, SHARE * (time.monotonic() - start))
        self._flush()  # what came during the one before

    def _flush(self) -> None:
        try:
            data = self._events.path.read_bytes()
        except OSError:  # a run that was refused leaves no record
            return
        data = data[: data.rfind(b"\n") + 1]
        if len(data) == self._put or not self._has_begun(data):
            return
        try:
            s3.put(self._bucket, f"{self._under}/{self._events.path.name}", data)
            self._put_logs(self._newly_failed(data[self._put :]))
        except BucketError as error:
            if not self._failed:
                self._warn(
                    f"{error}. The run goes on, and it is tried again; the file is {self._events.path}."
                )
            self._failed = True
        else:
            self._put = len(data)

    def _has_begun(self, data: bytes) -> bool:
        """Return whether the run has a job or a pod: one that is refused before leaves nothing in the bucket."""
        self._begun = self._begun or any(
            str(event["event"]).startswith(("job.", "worker.")) for event in parsed(data)
        )
        return self._begun

    def _newly_failed(self, data: bytes) -> list[str]:
        """Return the names of the jobs that have failed according to some more events."""
        failed = []
        for event in parsed(data):
            if event["event"] == "job.given":
                self._names[event.get("id")] = str(event.get("name"))
            elif event["event"] == "job.ended":
                name = self._names.pop(event.get("id"), "")
                if name and event.get("state") != COMPLETE:
                    failed.append(name)
        return failed

    def _put_logs(self, jobs: Sequence[str]) -> None:
        folder = self._events.path.parent
        files = [file for job in jobs[:MOST_FAILURES] for file in _logs(folder / "logs", job)]
        if files:
            contents = {file.relative_to(folder).as_posix(): file for file in files}
            s3.upload(self._bucket, contents, self._under, LOGS_SECONDS)


def _logs(folder: Path, job: str) -> Iterator[Path]:
    found = [folder / f"{job}.log", folder / f"{job}.events", *(path for path, _ in walk.files(folder / job))]
    return (file for file in found if file.is_file())
