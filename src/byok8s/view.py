"""What a person sees of a run, beside Snakemake's own words."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING

from byok8s.errors import Byok8sError

if TYPE_CHECKING:
    from byok8s.run import Plan

RULE = "-" * 8
WIDTH = 100


def details(plan: Plan) -> str:
    """The block that comes before anything is created."""
    request, bucket = plan.request, plan.bucket
    rows = {
        "snakefile": str(request.snakefile),
        "config": str(request.workflow_file),
        "params": str(request.params_file),
        "target": " ".join(request.targets),
        **_place(plan),
        "bucket": bucket.url + (f" at {bucket.endpoint_url}" if bucket.endpoint_url else ""),
        "run": plan.run,
    }
    width = max(map(len, rows)) + 1
    body = [f"    {name + ':':<{width}} {value}" for name, value in rows.items()]
    return "\n".join([RULE, "details!", *body, RULE])


def _place(plan: Plan) -> dict[str, str]:
    if plan.request.local:
        return {"runs on": "this machine"}
    if plan.cluster is None:
        return {"runs on": "nothing, this is a dry run", "image": plan.image}
    return {
        "k8s namespace": plan.cluster.namespace,
        "k8s context": plan.cluster.context,
        "kubernetes": plan.cluster.version,
        "image": plan.image,
    }


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - this is the one place that prints


def show_error(error: Byok8sError) -> None:
    """One short paragraph on standard error."""
    details = [line for part in (error.where, error.hint) if part for line in part.splitlines()]
    words = "\n".join(
        [*_wrap(f"byok8s: {error.what}"), *(row for line in details for row in _wrap(f"  {line}"))]
    )
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        words = f"\x1b[31m{words}\x1b[0m"
    print(words, file=sys.stderr, flush=True)  # noqa: T201


def _wrap(line: str) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
