"""The code of rules with run:, which only the Snakefile has: a process that has read it once, and forks for each job.

A job's process asks it for a fork by a socket: it hands over its output and the member to run, and waits for the
socket's end. The failure, if any, is left as a file. Without such a process, as in a pod for one job, the job's process
reads the Snakefile itself.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import struct
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

from byok8s.worker import machinery, seclusion, standard_output
from byok8s.worker.description import Member, RunDescription, member_from_json
from byok8s.worker.failure import Failure, failure
from byok8s.worker.job_folder import WORK
from byok8s.worker.measured import FILE, note_apart
from byok8s.worker.path_mapping import PathMapping
from byok8s.worker.values import decode

SOCKET: Final = WORK / "parsed.sock"
LONGEST_REPR: Final = 2000
_RESULT: Final = "function.json"
_LENGTH: Final = struct.Struct("!I")

Run: TypeAlias = "Callable[[Member, PathMapping, Any], None]"
"""run(member, places, workflow)"""


def perform(member: Member, run: RunDescription, places: PathMapping, function: Run) -> None:
    """Run a member in a fork of the process that has read the Snakefile, or here after reading it.

    Raises Failure, and what the member raises.
    """
    try:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(str(SOCKET))
    except OSError:
        here = True
    else:
        here = not _ask(stream, member, places)
    if here:
        function(member, places, _read(run, places))


def _ask(stream: socket.socket, member: Member, places: PathMapping) -> bool:
    """Return whether the member was run. Raises Failure when it failed."""
    result = machinery.SCRATCH.absolute() / f"{member.jobid}-{_RESULT}"
    request = json.dumps(
        {
            "member": asdict(member),
            "root": str(places.root),
            "places": places.more,
            "result": str(result),
            "group": os.getpgrp(),
        }
    ).encode()
    standard_output.flush()
    with stream:
        socket.send_fds(stream, [_LENGTH.pack(len(request))], [0, 1, 2])
        stream.sendall(request)
        refused = stream.recv(1) != b""
    if refused:
        return False
    if not result.is_file():
        raise Failure("the process of its run: was killed", "signal", 137)
    if found := json.loads(result.read_text()):
        raise Failure(*found)
    return True


def _read(run: RunDescription, places: PathMapping) -> Any:
    """Read the Snakefile in this process. Raises Failure."""
    places.enter(run.snakefile.start)
    machinery.bring_included(places.root)
    try:
        return machinery.parse(run, places.relocate)
    except BaseException as error:
        traceback.print_exception(error)
        raise _unreadable(error) from error
    finally:
        places.enter()


def _unreadable(error: BaseException) -> Failure:
    words = str(error).strip() or type(error).__name__
    return Failure(
        f"its run: needs the Snakefile, which cannot be read in the pod: {words[:500]}", "snakefile"
    )


def set_globals(member: Member, function: Callable[..., None], places: PathMapping) -> None:
    """Give a rule's function the controller's values of the Snakefile's variables.

    Raises Failure for one that cannot be sent and is another here.
    """
    here = function.__globals__
    for name, words in member.action.described.items():
        if name in here and (found := described(here[name])) != words:
            raise Failure(
                f"its run: uses {name}, which is {_short(words)} on the user's machine, but {_short(found)} in the pod",
                "snakefile",
            )
    for name, value in member.action.globals.items():
        here[name] = decode(value, places.relocate)


def described(value: object) -> str:
    """Return what a value is, in words that are the same for the same value in every process."""
    return repr(value)[:LONGEST_REPR]


def _short(words: str) -> str:
    return words if len(words) < 100 else f"{words[:100]}..."


# -- the process that has read it --


class Parsed:
    """It is started for the first job that wants it, and again when it is gone. make_root: lays out the sources."""

    def __init__(self, run: RunDescription, make_root: Callable[[], Path], function: Run) -> None:
        self._run, self._make_root, self._function = run, make_root, function
        self._process = 0

    @property
    def processes(self) -> set[int]:
        """Its process id, when it runs."""
        return {self._process} if self._process and self._alive() else set()

    def start(self) -> None:
        """Have the Snakefile read, in another process. Returns at once."""
        if self.processes:
            return
        SOCKET.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        with listening:
            listening.bind(str(SOCKET))
            listening.listen(64)
            self._process = os.fork()
            if self._process == 0:
                _live(listening, self._run, self._make_root, self._function)

    def _alive(self) -> bool:
        try:
            return os.waitpid(self._process, os.WNOHANG)[0] == 0
        except ChildProcessError:
            return False


def _live(
    listening: socket.socket, run: RunDescription, make_root: Callable[[], Path], function: Run
) -> NoReturn:
    """The process's whole life."""
    trouble, workflow = None, None
    try:
        os.setpgid(0, 0)
        _close_all_but(listening.fileno())
        for number in (signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        workflow = _read(run, PathMapping(run, make_root()))
    except BaseException as error:  # noqa: BLE001 - it is told to each job
        trouble = failure(error)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        stream = listening.accept()[0]
        with stream, suppress(OSError, struct.error):
            _answer(stream, trouble, lambda *request: _become(run, workflow, function, *request))


def _close_all_but(kept: int) -> None:
    """Let go of what the worker has open: its streams must end with it.

    For good: what held it would close another's number when it is collected.
    """
    gc.freeze()
    os.closerange(3, kept)
    os.closerange(kept + 1, 256)


def _answer(
    stream: socket.socket, trouble: Failure | None, become: Callable[[Mapping[str, Any], list[int]], NoReturn]
) -> None:
    """Fork for a request; or leave its failure; or say a word when this process cannot be forked."""
    head, fds, _, _ = socket.recv_fds(stream, _LENGTH.size, 3)
    (length,) = _LENGTH.unpack(head)
    request = json.loads(_receive(stream, length))
    if trouble:
        _leave(request, trouble)
    elif len(list(Path("/proc/self/task").iterdir())) > 1:
        stream.sendall(b"!")  # the Snakefile has started threads, which a fork would not have
    elif os.fork() == 0:
        become(request, fds)
    for fd in fds:
        os.close(fd)


def _receive(stream: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = stream.recv(length - len(data))
        if not piece:
            raise ConnectionError("cut off")
        data += piece
    return bytes(data)


def _become(
    run: RunDescription, workflow: Any, function: Run, request: Mapping[str, Any], fds: list[int]
) -> NoReturn:
    """Run one member, in the process group and with the output of the job's process."""
    found: Failure | None = Failure("the process of its run: did not come to its end", "unknown")
    try:
        seclusion.open_to_itself()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, request["group"])
        for wanted, fd in enumerate(fds):
            os.dup2(fd, wanted)
        standard_output.renew()
        found = _failure_of(run, workflow, function, request)
    finally:
        with suppress(OSError):
            standard_output.flush()
        note_apart(Path(request["root"]).parent / FILE)
        _leave(request, found)
        os._exit(0)


def _failure_of(
    run: RunDescription, workflow: Any, function: Run, request: Mapping[str, Any]
) -> Failure | None:
    try:
        places = PathMapping(run, Path(request["root"]), request["places"])
        places.enter()
        function(member_from_json(request["member"]), places, workflow)
    except BaseException as error:  # noqa: BLE001 - whatever a workflow's own code raises
        return failure(error)
    return None


def _leave(request: Mapping[str, Any], found: Failure | None) -> None:
    content = json.dumps([found.why, found.cause, found.code] if found else None)
    path = Path(request["result"])
    path.with_suffix(".new").write_text(content)
    path.with_suffix(".new").replace(path)
