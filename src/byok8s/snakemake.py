"""Snakemake, run in this process through its own command line."""

from __future__ import annotations

import logging
from enum import Enum, auto
from pathlib import Path

from byok8s.preflight import Cluster
from byok8s.request import Request
from byok8s.s3 import Bucket


class Result(Enum):
    """DONE: all that was asked for is there. FAILED: a job failed. REFUSED: Snakemake found a fault in
    Snakefile, params or target before the first job.
    """

    DONE = auto()
    FAILED = auto()
    REFUSED = auto()


def arguments(
    request: Request, bucket: Bucket, cluster: Cluster | None, run: str, image: str, params: Path
) -> list[str]:
    """Snakemake's command line for a request. params: the run's own copy of the params file."""
    return [
        *request.targets,
        *("--snakefile", str(request.snakefile)),
        *("--configfile", str(params)),
        *("--default-storage-provider", "byok8s"),
        *("--default-storage-prefix", bucket.url),
        *_place(request, cluster, run, image),
        *(["--dry-run"] if request.dry_run else []),
        *("--quiet", "host"),
        *(["--forceall"] if request.force else []),
        *request.snakemake_arguments,
    ]


def _place(request: Request, cluster: Cluster | None, run: str, image: str) -> list[str]:
    if request.local or cluster is None:
        return ["--executor", "local", "--cores", str(request.jobs or "all")]
    return [
        *("--executor", "byok8s"),
        *("--jobs", str(request.jobs)),
        *("--container-image", image),
        *("--byok8s-run", run),
        *("--byok8s-namespace", cluster.namespace),
        *(["--byok8s-context", request.context] if request.context else []),
    ]


def run(argv: list[str]) -> Result:
    """Raises KeyboardInterrupt where the user interrupts before the first job."""
    from snakemake.cli import args_to_api, parse_args
    from snakemake.logging import logger

    parser, args = parse_args(argv)
    seen = _FirstJob()
    logger.addFilter(seen)  # a handler would be taken off: Snakemake clears those when it starts
    try:
        done = args_to_api(args, parser)
    finally:
        logger.removeFilter(seen)
    if done:
        return Result.DONE
    return Result.FAILED if seen.started else Result.REFUSED


class _FirstJob(logging.Filter):
    """Lets every record pass, and remembers whether Snakemake has announced a job."""

    def __init__(self) -> None:
        super().__init__()
        self.started = False

    def filter(self, record: logging.LogRecord) -> bool:
        self.started = self.started or str(getattr(record, "event", "")) == "job_started"
        return True
