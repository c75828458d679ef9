"""A job's failure as data: the exit code, why in a few words, and the name of the cause.

The names are those of byok8s.pods.cause.
"""

from __future__ import annotations

import errno
import signal
import subprocess
import traceback
from pathlib import Path
from typing import Final

from byok8s.worker import conda, diagnosis, tool
from byok8s.worker.confined import Outside
from byok8s.worker.description import Stored
from byok8s.worker.installation import Unmade
from byok8s.worker.machinery import WrongSnakemake
from byok8s.worker.transfer import Damaged, Missing

SIGNAL_BASE: Final = 128  # the shell's way to tell of a signal in an exit code
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
LONGEST_WORDS: Final = 300


class Failure(Exception):
    """Says why a job ends without its outputs. stored: those of a group's members that had ended well."""

    def __init__(self, why: str, cause: str, code: int = 1) -> None:
        super().__init__(why)
        self.why, self.cause, self.code = why, cause, code
        self.stored: tuple[Stored, ...] = ()


def failure(error: BaseException) -> Failure:
    """Give an error of a job its name. One that is the job's own doing leaves its traceback in the log."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, subprocess.CalledProcessError):
        return of_exit_code(error.returncode, str(error.cmd))
    if isinstance(error, Missing):
        return Failure(_words(error), "missing-input")
    if isinstance(error, Damaged):
        return Failure(_words(error), "s3-unreachable")
    if isinstance(error, Outside):
        return Failure(_words(error), "unfit-output")
    if isinstance(error, Unmade):
        return Failure(error.why, error.cause)
    if isinstance(error, conda.Unusable | tool.Unusable):
        return Failure(_words(error), error.cause)
    if isinstance(error, WrongSnakemake):
        return Failure(_words(error), "snakemake-version")
    if found := diagnosis.storage(error):
        print(error, flush=True)  # noqa: T201
        return Failure(*found)
    return _of_program(error)


def of_exit_code(code: int, command: str = "") -> Failure:
    """Name the failure of a command. code: below 0 for a signal, as Python's subprocess has it."""
    if code < 0:
        return Failure(f"killed by {signal.Signals(-code).name}", "signal", SIGNAL_BASE - code)
    why, cause = diagnosis.exit_code(code, command)
    return Failure(why, cause, code)


def _of_program(error: BaseException) -> Failure:
    """Name what was raised by Python code of the workflow's, or for it."""
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else 1
        return of_exit_code(code or 1)
    traceback.print_exception(error)
    if isinstance(error, OSError) and error.errno in FULL:
        full = diagnosis.full_disk(Path()) or _words(error)
        return Failure(f"its disk is full: {full}", "disk-full")
    return Failure(f"{type(error).__name__}: {_words(error)}", "exit-code")


def _words(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:LONGEST_WORDS].rstrip(".")
