"""The user's `git`, started so that it runs nothing of what it fetches and asks nothing on the terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from byok8s.errors import InputError

# a server that says nothing for so long is given up
SILENT_SECONDS = 60
_PART_BYTES: Final = 1 << 20
_CONFIG: Final = {
    "core.hooksPath": os.devnull,  # reference-transaction runs in bare repositories too
    "core.fsmonitor": "false",
    "protocol.ext.allow": "never",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    # a repository on this machine can name a program by which objects that it lacks are to be had
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_DEFAULT_HASH": "sha1",
    "LC_ALL": "C",
    "LANGUAGE": "",
}
# of `git rev-parse --local-env-vars`, where git itself has started us, as in a hook; GIT_CONFIG_COUNT is the user's
_ELSEWHERE: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
# what git says after every failure, and which is no cause
_NO_CAUSE: Final = re.compile(
    r"fatal: Could not read from remote|fatal: the remote end hung up"
    r"|Please make sure you have the correct access|and the repository exists"
)


class Refused(Exception):
    """git has failed. The message is the line of its own that says why."""


@dataclass(frozen=True)
class Git:
    """git for one bare repository, and none that the working folder may be in.

    folder: the repository's, which is there. plain: whether it may fetch by http, too.
    """

    folder: Path
    plain: bool

    def create(self) -> None:
        """Make it, without hooks. Raises Refused; InputError if there is no git."""
        self.read("init", "--bare", "--quiet", "--template=")

    def read(self, *arguments: str) -> bytes:
        """What it prints. Raises Refused; InputError if there is no git."""
        with self._started(arguments, stderr=subprocess.PIPE) as process:
            output, errors = process.communicate()
        if process.returncode:
            raise Refused(_cause(errors.decode(errors="replace")))
        return output

    @contextmanager
    def objects(self) -> Iterator[Objects]:
        """Its objects, as they are: no filter, and no other attribute, is looked at."""
        with self._started(("cat-file", "--batch"), stderr=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield Objects(process.stdin, process.stdout)
            process.stdin.close()

    @contextmanager
    def _started(self, arguments: tuple[str, ...], *, stderr: int) -> Iterator[subprocess.Popen[bytes]]:
        settings = [part for name, value in _CONFIG.items() for part in ("-c", f"{name}={value}")]
        try:
            process = subprocess.Popen(
                ["git", f"--git-dir={self.folder}", *settings, *arguments],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,  # without a terminal, which ssh would ask on
            )
        except OSError as error:
            raise InputError(
                "A Snakefile from a repository needs `git`, which cannot be run.",
                where=str(error),
                hint="Install it, or see that it is on PATH; nothing else of byok8s needs it.",
            ) from error
        with process:
            try:
                yield process
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise

    def _environment(self) -> dict[str, str]:
        silence = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": str(SILENT_SECONDS)}
        users = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
        # of https not to http; ssh and file are what a user's own insteadOf may say instead
        protocols = "https:ssh:file" + (":http" if self.plain else "")
        return silence | users | _ENVIRONMENT | {"GIT_ALLOW_PROTOCOL": protocols}


class Objects:
    """A `git cat-file --batch` at work."""

    def __init__(self, questions: IO[bytes], answers: IO[bytes]) -> None:
        self._questions, self._answers = questions, answers

    def read(self, name: str) -> bytes:
        """The object of that hash. Raises Refused where there is none."""
        content = self._answers.read(self._size(name))
        self._answers.read(1)
        return content

    def copy(self, name: str, to: IO[bytes]) -> None:
        """Write the object of that hash. Raises Refused where there is none."""
        left = self._size(name)
        while left:
            part = self._answers.read(min(left, _PART_BYTES))
            if not part:
                raise Refused(f"object {name} is cut off")
            to.write(part)
            left -= len(part)
        self._answers.read(1)

    def _size(self, name: str) -> int:
        with suppress(BrokenPipeError):  # the answer is empty then
            self._questions.write(f"{name}\n".encode())
            self._questions.flush()
        match self._answers.readline().split():
            case [_, _, size]:  # hash and type
                return int(size)
        raise Refused(f"object {name} is missing")


def _cause(errors: str) -> str:
    """The last line that says why; what a server said may hold anything, so that only its letters are kept."""
    lines = [line.strip() for line in errors.splitlines()]
    lines = [line for line in lines if line and not _NO_CAUSE.match(line)]
    named = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    cause = (named or lines or ["git does not say why"])[-1].removeprefix("fatal: ").removeprefix("error: ")
    return "".join(letter if letter.isprintable() else "?" for letter in cause).rstrip(".")
