"""What a run with byok8s made, beside what plain Snakemake made of the same workflow."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.attempt import Attempt
from conformance.oracle import Oracle

REFUSED = (2, 3)  # byok8s' exit codes of a run that has not begun


def differences(oracle: Oracle, attempt: Attempt) -> list[str]:
    """Return each way in which the run differs from plain Snakemake's, in words; none when it is right.

    A workflow that has to fail may be refused before its first job: then nothing is made of it.
    """
    if attempt.ended and attempt.code in REFUSED and not attempt.stored:
        return []
    return [*_of_end(attempt), *_of_files(oracle, attempt), *_of_others(oracle, attempt)]


def _of_end(attempt: Attempt) -> Iterator[str]:
    if attempt.code is None:
        yield f"has not ended after {attempt.seconds:.0f} s"
    elif not attempt.ended:
        yield f"ended with exit code {attempt.code}"


def _of_files(oracle: Oracle, attempt: Attempt) -> Iterator[str]:
    """Yield what is wrong with the files that should have been made."""
    for path, value in sorted(oracle.files.items()):
        found = attempt.stored.get(path, attempt.beside.get(path))
        if found is None:
            yield f"{path} is missing"
        elif value not in (None, found):
            yield f"{path} has another content"
        elif path in oracle.outputs and path not in attempt.stored:
            yield f"{path} is not in the bucket"


def _of_others(oracle: Oracle, attempt: Attempt) -> Iterator[str]:
    """Yield the files that are there and should not; an empty directory, a key with a slash behind, is none."""
    for path in sorted(attempt.stored.keys() | attempt.beside.keys()):
        if path not in oracle.files and not path.endswith("/"):
            yield f"{path} is there in addition"
    for path in sorted(oracle.gone & attempt.kept):
        yield f"{path} was not removed"
