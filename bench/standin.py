"""Stands in for a worker's work: puts a job's output into the bucket and says what a job says, without Snakemake.

In a pod it is the archive's `__main__`: all else there is the worker's own: server, protocol, streams, folders.
With the argument `beside` it does the same for the null executor, one job's address a line.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byok8s.worker.job import Order

# what a job of one `echo` was seen to say, and how many seconds after the line before: each line was a message
WORDS = (
    (0.0, "Building DAG of jobs..."),
    (0.004, "Using shell: /usr/bin/bash"),
    (0.001, "Select jobs to execute..."),
    (0.024, "Execute 1 jobs..."),
    (0.030, "Storing output in storage."),
    (0.001, "Storing in storage: {url}"),
    (0.013, "Finished upload."),
    (0.001, "Elapsed time: 0:00:00.375122"),
)


class StandIn:
    """What the server sees of a job."""

    def __init__(self, order: Order, folder: Path) -> None:
        self.order, self.deadline, self.folder = order, None, folder
        arguments = dict(zip(order.arguments, order.arguments[1:], strict=False))
        url = output(arguments["--default-storage-prefix"], arguments["--target-jobs"].partition("i=")[2])
        store(url)
        self._lines = [(gap, f"{words.format(url=url)}\n".encode()) for gap, words in WORDS]
        self.output, writing = os.pipe()
        os.write(writing, b"".join(line for _, line in self._lines))
        os.close(writing)

    def read(self) -> bytes:
        if not self._lines:
            return b""
        gap, line = self._lines.pop(0)
        time.sleep(gap)
        return os.read(self.output, len(line))

    def output_is_over(self) -> bool:
        return False  # the server learns it by `read`

    def end(self, because: str, cause: str) -> None:
        """It has nothing to end."""

    def end_with_pod(self) -> None:
        """Nor here."""

    def result(self) -> object:
        from byok8s.worker.protocol import Result

        os.close(self.output)
        return Result(0)


def output(prefix: str, number: str) -> str:
    return f"{prefix}/out-{number}.txt"


def store(url: str) -> None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    _put()(Bucket=bucket, Key=key, Body=b"stand-in\n")


@functools.cache
def _put() -> Callable[..., object]:
    import boto3
    from botocore.config import Config

    config = Config(request_checksum_calculation="when_required")
    put: Callable[..., object] = boto3.client("s3", config=config, region_name="us-east-1").put_object
    return put


def main() -> int:
    if sys.argv[1:] == ["beside"]:
        for line in sys.stdin:
            store(line.strip())
            print(flush=True)
        return 0
    import byok8s.worker.__main__ as worker
    from byok8s.worker import server

    vars(server).update(Job=StandIn, warm_up=lambda: None)
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
