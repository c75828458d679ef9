"""Programs of the user's: asked, or made to do something while their words are shown."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from byok8s.errors import ClusterError

LAST_LINES: Final = 5
# Both are documented at https://minikube.sigs.k8s.io/docs/handbook/config/; no other tool knows them.
_PLAIN: Final = {"MINIKUBE_IN_STYLE": "false", "MINIKUBE_WANTUPDATENOTIFICATION": "false"}


@dataclass(frozen=True)
class Answer:
    """What a program said, and its exit code."""

    code: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """The last lines of what it said of what went wrong."""
        said = last_words((self.errors.strip() or self.output).splitlines())
        return said or f"exit code {self.code}, without a word"


@dataclass(frozen=True)
class Tool:
    """A program, run with our kubeconfig in the place of the user's.

    say: is told each line that the program says while it does something.
    """

    program: str
    kubeconfig: Path | None
    say: Callable[[str], None]

    @property
    def is_installed(self) -> bool:
        return shutil.which(self.program) is not None

    def ask(self, *arguments: str) -> Answer:
        """Raises ClusterError if the program is not there."""
        with self._started(arguments, stderr=subprocess.PIPE) as process:
            output, errors = process.communicate()
        return Answer(process.returncode, output, errors)

    def read(self, *arguments: str) -> str:
        """What it prints. Raises ClusterError with its last words when it fails, or where it is not there."""
        answer = self.ask(*arguments)
        if answer.code:
            raise self._failed(arguments, answer.code, answer.words)
        return answer.output

    def write(self, to: Path, *arguments: str) -> None:
        """What it prints, into a file. Raises ClusterError with its last words when it fails, or is not there."""
        with to.open("wb") as file, self._started(arguments, stdout=file, stderr=subprocess.PIPE) as process:
            _, errors = process.communicate()
        if process.returncode:
            raise self._failed(arguments, process.returncode, last_words(errors.splitlines()))

    def do(self, *arguments: str) -> None:
        """Raises ClusterError with the program's last words when it fails, or where it is not there."""
        last: deque[str] = deque(maxlen=LAST_LINES * 2)
        with self._started(arguments, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            for line in process.stdout:
                last.append(line)
                self.say(f"  {line.rstrip()}")
        if process.returncode:
            raise self._failed(arguments, process.returncode, last_words(last))

    def _failed(self, arguments: tuple[str, ...], code: int, words: str) -> ClusterError:
        called = " ".join((self.program, *arguments))
        return ClusterError(f"`{called}` failed with exit code {code}.", where=words)

    def _started(
        self, arguments: tuple[str, ...], *, stderr: int, stdout: int | IO[bytes] = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        if self.kubeconfig:
            environment["KUBECONFIG"] = str(self.kubeconfig)
        try:
            return subprocess.Popen(
                [self.program, *arguments],
                env=environment | _PLAIN,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise ClusterError(
                f"`{self.program}` cannot be run.", where=str(error), hint="Is it installed, and on PATH?"
            ) from error


def last_words(lines: list[str] | deque[str]) -> str:
    """The last lines that say something, without colours."""
    plain = (re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rstrip() for line in lines)
    return "\n".join([line for line in plain if line][-LAST_LINES:])
