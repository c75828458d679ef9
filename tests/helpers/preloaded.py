"""Programs that start from a process in which Snakemake is loaded already.

To load it takes a program more than a second of a processor, and the tests start a thousand of them. What is of this
project each loads itself. A program that is to be stopped by a signal, or that stands for a user's own start, starts
as any does.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

# what byok8s and Snakemake load of others, one way or the other
MODULES = (
    "snakemake.cli",
    "snakemake.scheduling.job_scheduler",
    "snakemake.report",
    "snakemake.script",
    "snakemake_storage_plugin_s3",
    "boto3.s3.transfer",
    "botocore.httpsession",
    "s3transfer.manager",
    "click",
    "msgspec",
    "psutil",
    "rich.console",
)
PROGRAMS = ("byok8s", "snakemake")
# what Python and the system's libraries look at when they start
_OF_A_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_")


def can_run(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether a program would start as here: by this Python, with these settings of it, and on Linux."""
    is_ours = tuple(command[:2]) == (sys.executable, "-m") and command[2] in PROGRAMS
    if not is_ours or sys.platform != "linux":
        return False
    names = {name for name in (*environment, *os.environ) if name.startswith(_OF_A_START)}
    return all(environment.get(name) == os.environ.get(name) for name in names - {"PYTHONUNBUFFERED"})


def run(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run `python -m PROGRAM ...` with nothing to read. Returns its exit code, and its output and errors."""
    order = {"folder": str(folder), "words": command[2:], "environment": dict(environment)}
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as place, os.fdopen(reading, encoding="utf-8") as output:
        place.connect(_address())
        socket.send_fds(place, [b"\0"], [writing])
        os.close(writing)
        with place.makefile("rwb") as stream:
            stream.write(json.dumps(order).encode() + b"\n")
            stream.flush()
            process = int(stream.readline())
            try:
                said = output.read()
                return int(stream.readline()), said
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                raise


@functools.cache
def _address() -> str:
    """Start what programs start from, once for this process. Its input ends with this process, and it does then."""
    address = f"\0preloaded-{uuid.uuid4()}"  # of no folder
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        number = listening.fileno()
        subprocess.Popen([sys.executable, __file__, str(number)], stdin=subprocess.PIPE, pass_fds=[number])
    return address


class _Server:
    """Forks a process for each program that is asked for, and tells who asked how it has ended."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening, self._selector = listening, selectors.DefaultSelector()
        self._selector.register(listening, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def serve(self) -> socket.socket:
        """Return in each process that is forked, with the connection to who wants it."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    sys.exit()
                if key.fileobj is not self._listening:
                    self._tell_end(key.fd, *key.data)
                elif place := self._forked():
                    return place

    def _forked(self) -> socket.socket | None:
        place, _ = self._listening.accept()
        if (process := os.fork()) == 0:
            self._selector.close()
            self._listening.close()
            return place
        self._selector.register(os.pidfd_open(process), selectors.EVENT_READ, (process, place))
        return None

    def _tell_end(self, end: int, process: int, place: socket.socket) -> None:
        self._selector.unregister(end)
        os.close(end)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        with place, contextlib.suppress(OSError):
            place.sendall(b"%d\n" % code)


def _become(place: socket.socket) -> None:
    """Be the program that is asked for, with its own folder, environment, input and output."""
    _, (output,), _, _ = socket.recv_fds(place, 1, 1)
    with place, place.makefile("rwb") as stream:
        order = json.loads(stream.readline())
        stream.write(b"%d\n" % os.getpid())
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, fd in enumerate((nothing, output, output)):
        os.dup2(fd, number)
    os.closerange(3, 256)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    if "PYTHONUNBUFFERED" in os.environ:
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    sys.path[0] = order["folder"]
    program, *sys.argv[1:] = order["words"]
    gc.enable()
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    gc.disable()
    for module in MODULES:
        importlib.import_module(module)
    gc.freeze()
    tempfile.tempdir = None
    _become(_Server(socket.socket(fileno=int(sys.argv[1]))).serve())
