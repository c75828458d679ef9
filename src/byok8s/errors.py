"""Everything that byok8s raises on purpose.

Byok8sError                exit code
├── InputError             2    what the user gave cannot be used
├── ClusterError           3    the cluster cannot be used
├── BucketError            3    the bucket cannot be used
├── CollectorError         3    the OpenTelemetry collector does not take a run's record
└── InUse                  3    another run uses the folder, or the place in the bucket

A workflow that runs and fails is no exception: Snakemake has said why by then, and the exit code is 1.
"""

from __future__ import annotations

from typing import ClassVar, Final

WORKFLOW_FAILED: Final = 1
INTERRUPTED: Final = 130
UNREAD: Final = 141  # as a shell has it for a program that was ended by SIGPIPE


class Byok8sError(Exception):
    """Something that the user can do something about.

    what: one sentence, what happened, with the name of the thing it happened to.
    where: the file and line, the address or the object that shows it; may be several lines.
    hint: what to do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(" ".join(part for part in (what, where, hint) if part))
        self.what, self.where, self.hint = what, where, hint


class InputError(Byok8sError):
    """A file, flag or value that the user gave cannot be used."""

    exit_code = 2


class ClusterError(Byok8sError):
    """The cluster cannot be reached, or does not let us do what a run needs."""

    exit_code = 3


class BucketError(Byok8sError):
    """The bucket cannot be reached, or does not let us do what a run needs."""

    exit_code = 3


class CollectorError(Byok8sError):
    """The OpenTelemetry collector cannot be reached, or does not take a run's record."""

    exit_code = 3


class InUse(Byok8sError):
    """Another run uses what this one would: the working folder, or the place in the bucket."""

    exit_code = 3
