"""The S3 server of the local cluster: a process of its own, found again by the lock on its folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from byok8s.errors import BucketError, Byok8sError
from byok8s.local_cluster.s3_server import ENDPOINT
from byok8s.s3 import Bucket, Credentials, check_bucket
from byok8s.s3.embedded import BUCKET_NAME, read_keys
from byok8s.s3.lock import holder

_START_SECONDS: Final = 45.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.05


def is_running(folder: Path) -> bool:
    return holder(folder) is not None


def bucket(folder: Path) -> Bucket | None:
    """The bucket, where the server was last; None if none ever ran."""
    try:
        return Bucket(BUCKET_NAME, endpoint_url=(folder / ENDPOINT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def keys(folder: Path) -> Credentials:
    return read_keys(folder / "keys.json")


def why_not_usable(folder: Path) -> str:
    """Empty if the server runs and its bucket opens with its keys."""
    found = bucket(folder)
    if found is None or not is_running(folder):
        return "it does not run"
    try:
        check_bucket(found, keys(folder))
    except Byok8sError as error:
        return str(error)
    return ""


def start(address: str, folder: Path) -> Bucket:
    """Returns once the bucket is there.

    address: of this machine; nothing listens on another, but for 127.0.0.1. The port is the one it had before, unless
    another program has that now. Raises BucketError with the end of the server's log when it is not ready in 45 s.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = bucket(folder)
    port = urlsplit(before.endpoint_url or "").port if before else None
    (folder / ENDPOINT).unlink(missing_ok=True)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "byok8s.local_cluster.s3_server", address, str(port or 0), str(folder)],
            cwd=folder,  # -m looks there for modules first, and the folder of the user may have any
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives the terminal
        )
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := bucket(folder):
            return found
        time.sleep(_POLL_SECONDS)
    stop(folder)
    with log.open(encoding="utf-8", errors="replace") as lines:
        end = "".join(deque(lines, maxlen=10)).rstrip()
    raise BucketError(f"The S3 server on {address} did not start.", where=f"{log}:\n{end}")


def stop(folder: Path) -> None:
    """The server has ended on return, and its process does. Raises BucketError if it does not end."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = holder(folder)
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.kill(process, number)
        until = time.monotonic() + _STOP_SECONDS
        while is_running(folder) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
    if process := holder(folder):
        raise BucketError(f"The S3 server (process {process}) does not end.", where=str(folder))
