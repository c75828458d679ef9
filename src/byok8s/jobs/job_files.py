"""The files of a Snakemake job, with what they are to its rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.io import _IOFile
    from snakemake.jobs import Job


def files_of(job: Job) -> Iterator[tuple[str, _IOFile]]:
    """Return each file with its kind: input, output, log or benchmark."""
    for kind, files in (("input", job.input), ("output", job.output), ("log", job.log)):
        yield from ((kind, file) for file in files)
    if job.benchmark:
        yield "benchmark", job.benchmark
