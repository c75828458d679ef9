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

from byok8s.worker.description import Stored
from byok8s.worker.job import Job
from byok8s.worker.process import Order
from byok8s.worker.protocol import Result

CONTENT = b"stand-in\n"


class StandIn(Job):
    """What the server sees of a job. There is no process: what asks for one is not to be reached."""

    def __init__(self, order: Order, folder: Path, *_: object) -> None:
        self.order, self.deadline, self.folder, self._tool = order, None, folder, None
        self._output = order.description["levels"][0][0]["output"][0]
        store(f"s3://{self._output['bucket']}/{self._output['key']}")
        self.output, writing = os.pipe()  # an `echo` into a file says nothing
        os.close(writing)

    def read(self) -> bytes:
        return os.read(self.output, 1)

    def output_is_over(self) -> bool:
        return False  # the server learns it by `read`

    def look_at_memory(self) -> None:
        """There is none to look at."""

    def end(self, because: str, cause: str) -> None:
        """It has nothing to end."""

    def result(self) -> Result:
        os.close(self.output)
        stored = Stored(self._output["bucket"], self._output["key"], int(time.time()), len(CONTENT))
        return Result(0, stored=(stored,))


def output(prefix: str, number: str) -> str:
    return f"{prefix}/out-{number}.txt"


def store(url: str) -> None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    _put()(Bucket=bucket, Key=key, Body=CONTENT)


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
    from byok8s.worker.workplace import Workplace

    vars(server).update(Job=StandIn, warm_up=lambda **_: None)
    # no process is forked for a job: it would do the work, and would tell what it has fetched
    for name in ("expect_job", "begin", "keep"):
        setattr(Workplace, name, lambda *_: None)
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
