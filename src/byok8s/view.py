"""What a person sees of a run, beside Snakemake's own words."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from byok8s.data.inputs import size_words
from byok8s.doctor.check import Check, CheckStatus, Field, Report
from byok8s.errors import Byok8sError
from byok8s.run.drawing import can_draw as can_draw
from byok8s.shown import visible
from byok8s.workspace.folder import replaced

if TYPE_CHECKING:
    from byok8s.data.contents import Entry
    from byok8s.dns.fix import DnsPlan
    from byok8s.local_cluster.status import ClusterStatus
    from byok8s.request import Request
    from byok8s.run.drawing import Drawing
    from byok8s.run.plan import RunPlan
    from byok8s.run_objects.clean import Found
    from byok8s.run_objects.leftovers import Run
    from byok8s.s3 import Bucket, Unfinished
    from byok8s.software.store import StoredEnvironment

RULE = "-" * 8
NONE = "none"
WIDTH = 100
REPORT_WIDTH = 80
STATUS_WIDTH = len(CheckStatus.WARNING.value)
MOST_NAMED = 6  # files in a line
HOUR, DAY = 60, 24 * 60  # minutes
UNSEEN = {
    "jobs": "Without it no run is known to be dead.",
    "pods": "Those of a run go with its Job.",
    "secrets": "That of a run goes with its Job.",
    "configmaps": "Those of a run go with its Job.",
}


def show_plan(plan: RunPlan) -> None:
    say(details(plan))


def show_results(place: str) -> None:
    say(f"Results: {place}")


def show_record(place: str) -> None:
    say(f"Record: {place}")


def show_moved(totals: Mapping[str, int]) -> None:
    fetched, cached, stored = (totals.get(f"{way}_bytes", 0) for way in ("fetched", "cached", "stored"))
    kept = f", took {size_words(cached)} that their workers had kept," if cached else ""
    if fetched or cached or stored:
        say(f"Jobs fetched {size_words(fetched)}{kept} and stored {size_words(stored)}.")


def details(plan: RunPlan) -> str:
    """The block that comes before anything is created."""
    request, bucket = plan.request, plan.bucket
    rows = {
        "snakefile": _snakefile(request),
        "config": str(request.workflow_file or NONE),
        "params": str(request.params_file or NONE),
        "target": " ".join(request.targets) or "the Snakefile's default",
        **_place(plan),
        "bucket": bucket.url
        + (f" at {bucket.endpoint_url}" if bucket.endpoint_url else "")
        + (f", region {plan.region}" if plan.region else ""),
        "run": _run(plan),
        **({"sizes": _sizes(plan)} if plan.request.learned else {}),
    }
    width = max(map(len, rows)) + 1
    body = [f"    {name + ':':<{width}} {value}" for name, value in rows.items()]
    return "\n".join([RULE, "details!", *body, RULE])


def _snakefile(request: Request) -> str:
    if request.source is None:
        return str(request.snakefile)
    own = [str(path) for path in replaced(request.source, Path.cwd())]
    named = ", ".join(own[:MOST_NAMED]) + (f" and {len(own) - MOST_NAMED} more" if own[MOST_NAMED:] else "")
    return f"{request.snakefile} of {request.source.name}" + (f" (but this folder's: {named})" if own else "")


def _sizes(plan: RunPlan) -> str:
    """Say of which rules the memory and threads are learned, and where to read them."""
    if not plan.sizes:
        return "as declared: earlier runs have measured no rule"
    named = [
        f"{size.rule} "
        + " and ".join(
            [
                *([f"{size.mem_mb} MB"] if size.mem_mb else []),
                *([f"{size.threads} threads"] if size.threads else []),
            ]
        )
        for size in plan.sizes
    ]
    more = f" and {len(named) - MOST_NAMED} more rules" if named[MOST_NAMED:] else ""
    return f"learned: {', '.join(named[:MOST_NAMED])}{more}; .byok8s/runs/{plan.run}/sizes.yaml has them"


def _run(plan: RunPlan) -> str:
    if plan.resumed is None:
        return plan.run
    return f"{plan.run} (goes on; its controller was last heard of at {plan.resumed.heard:%Y-%m-%d %H:%M:%S} UTC)"


def _place(plan: RunPlan) -> dict[str, str]:
    if plan.request.local:
        return {"runs on": "this machine"}
    if plan.cluster is None:
        return {"runs on": "nothing, this is a dry run", "image": plan.image, "software": _software(plan)}
    return {
        "k8s namespace": plan.cluster.namespace,
        "k8s context": plan.cluster.context,
        "kubernetes": plan.cluster.version,
        "image": plan.image,
        "software": _software(plan),
    }


def _software(plan: RunPlan) -> str:
    said = {
        "declared": "what rules declare",
        "conda": "the rules' conda environments",
        "image": "the image's",
    }
    return said[plan.request.software]


def show_field(field: Field) -> None:
    say(field_lines(field) + "\n")


def field_lines(field: Field) -> str:
    """A field of the doctor's report, for a terminal of 80 columns. What fixes several in a row stands below them."""
    joined = _joined(field.checks)
    if len(joined) == 1 and joined[0].status is CheckStatus.SKIPPED:
        return "\n".join(_hanging(f"{field.title}: ", f"{CheckStatus.SKIPPED.value}, as {joined[0].seen}"))
    width = max(len(check.name) for check in field.checks)
    shown = [field.title]
    for check, after in zip_longest(joined, joined[1:]):
        shown += _check(check, width)
        if check.fix and not (after and after.fix == check.fix):
            shown += _hanging(" " * (STATUS_WIDTH + 4) + "-> ", check.fix)
    return "\n".join(shown)


def _joined(checks: Sequence[Check]) -> list[Check]:
    """What has the same to say of several names in a row is said once; of one name all that is well, too."""
    joined: list[Check] = []
    for check in checks:
        last = joined[-1] if joined else None
        if last and (last.name, last.status) == (check.name, CheckStatus.OK):
            joined[-1] = replace(last, seen=f"{last.seen}, {check.seen}")
        elif last and (last.seen, last.status) == (check.seen, CheckStatus.SKIPPED):
            joined[-1] = replace(last, name=f"{last.name}, {check.name}")
        else:
            joined.append(check)
    return joined


def _check(check: Check, width: int) -> list[str]:
    status = check.status.value
    if check.status is CheckStatus.SKIPPED:
        return _hanging(f"  {status:<{STATUS_WIDTH}}  ", f"{check.name}: {check.seen}")
    return _hanging(f"  {status:<{STATUS_WIDTH}}  {check.name:<{width}}  ", check.seen)


def _hanging(first: str, words: str) -> list[str]:
    return textwrap.wrap(
        words,
        REPORT_WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def verdict(report: Report) -> str:
    """The last line of the doctor's report."""
    if report.would_work:
        unseen = any(
            all(check.status is CheckStatus.SKIPPED for check in field.checks) for field in report.fields
        )
        return f"A run would work{', as far as this has looked' if unseen else ''}."
    failed = {
        field.title: dict.fromkeys(check.name for check in field.checks if check.status is CheckStatus.FAILED)
        for field in report.fields
    }
    words = [
        f"{', '.join(names)} ({title[0].lower()}{title[1:]})" for title, names in failed.items() if names
    ]
    return "\n".join(_hanging("A run would fail: ", f"{'; '.join(words)}."))


def report_json(report: Report) -> str:
    """The doctor's report for machines."""
    checks = [
        {
            "field": field.key,
            "name": check.name,
            "status": check.status.value,
            "seen": check.seen,
            "fix": check.fix,
        }
        for field in report.fields
        for check in field.checks
    ]
    return json.dumps({"would_work": report.would_work, "checks": checks}, indent=2)


def leftovers(found: Found, shown: Sequence[Run]) -> str:
    """What is in a namespace, and what of it we cannot see."""
    lines = [_table(shown)] if shown else [f"There is nothing of byok8s in namespace {found.namespace!r}."]
    for resource in found.unseen:
        lines.append(f"Missing right: list {resource}. {UNSEEN[resource]}")
    if found.others:
        named = ", ".join(f"{part.resource}/{part.name}" for part in found.others)
        lines.append(f"With byok8s' labels, but of no run, and so left alone: {named}.")
    return "\n".join(lines)


def choice(chosen: Sequence[Run], spared: Sequence[Run]) -> str:
    """What would be removed, and what would not."""
    lines = [f"To remove: {', '.join(run.name for run in chosen)}."] if chosen else ["Nothing to remove."]
    if spared:
        names = ", ".join(run.name for run in spared)
        lines.append(f"May be alive, and stays: {names}. Name a run, or --all, to remove it.")
    return "\n".join(lines)


def uploads(bucket: Bucket, found: Sequence[Unfinished]) -> str:
    """What nobody has finished in a bucket."""
    if not found:
        return f"No upload is left unfinished in {bucket.url}."
    lines = [f"Left unfinished in {bucket.url}, with their age:"]
    return "\n".join([*lines, *(f"  {_span(each.age)}  {each.key}" for each in found)])


def dns_plan(plan: DnsPlan) -> str:
    """How the cluster's DNS is, and what would be done to it."""
    state, change = plan.state, plan.change
    lines = [f"Cluster: {plan.cluster}", state.problem or f"{state.kind.value} runs: {state.count}."]
    lines.append("It forwards to these servers already." if change.is_empty else change.diff())
    if plan.needed and state.pods:
        lines.append(f"To restart in kube-system: {', '.join(state.pods)}.")
    return "\n".join(lines)


def _table(runs: Sequence[Run]) -> str:
    rows = [["RUN", "AGE", "PODS", "SECRETS", "CONFIG MAPS", "STARTED BY", "CONTROLLER"]]
    for run in runs:
        counts = [str(run.count(resource)) for resource in ("pods", "secrets", "configmaps")]
        heard = f"{'dead, ' if run.dead else ''}last heard of at most {_span(run.silence)} ago"
        rows.append([run.name, _span(run.age), *counts, run.started_by or "not known", heard])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _span(seconds: float) -> str:
    """A time in words, rounded up, and a minute at least: by S3's clock what has just begun may have no age."""
    minutes = max(1, math.ceil(seconds / 60))
    if minutes < HOUR:
        return f"{minutes} min"
    if minutes < 2 * DAY:
        return f"{minutes // HOUR} h {minutes % HOUR} min"
    hours = math.ceil(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def local_cluster(found: ClusterStatus) -> str:
    """The cluster on this machine: what there is, what is wrong with it, and what to type now."""
    nodes = f"{found.ready_nodes} of {found.nodes} nodes ready" if found.nodes else "does not answer"
    rows = {
        "cluster": found.driver and f"{found.driver}, {nodes}",
        "kubernetes": found.kubernetes,
        "kubeconfig": found.kubeconfig,
        "bucket": found.bucket and f"s3://{found.bucket} at {found.s3_endpoint_url}",
        "image": found.image,
    }
    lines = [f"{name + ':':<11} {value}" for name, value in rows.items() if value]
    next_step = "Run a workflow there:" if not found.problems else "Make it, or what is missing of it:"
    return "\n".join([*lines, *found.problems, "", next_step, f"    {found.next}"]).lstrip()


def ask(question: str) -> bool | None:
    """Ask the person at the terminal; None if there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    print(visible(question), end=" [y/N] ", file=sys.stderr, flush=True)  # noqa: T201
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def show_entries(entries: Sequence[Entry]) -> None:
    """Show a line a file: size, time and path, in columns."""
    width = max((len(str(entry.size)) for entry in entries), default=0)
    for entry in entries:
        say(f"{entry.size:>{width}}  {entry.modified:%Y-%m-%d %H:%M:%S}  {entry.path}")


def show_environments(entries: Sequence[StoredEnvironment]) -> None:
    """Show a line for each conda environment: size, time, platform, the beginning of its name, its file."""
    for entry in entries:
        used = datetime.fromtimestamp(entry.used, UTC)
        size = f"{entry.size / 1e6:8.1f} MB"
        say(f"{size}  {used:%Y-%m-%d %H:%M:%S}  {entry.platform}  {entry.name[:8]}  {entry.source}")


def environments(found: Sequence[StoredEnvironment], chosen: Sequence[StoredEnvironment]) -> str:
    """Say which of a bucket's conda environments are to be removed."""
    from byok8s.software.store import OLD_DAYS

    if not found:
        return "The bucket has no conda environments."
    if not chosen:
        return f"Each was used in the last {OLD_DAYS} days: nothing is to be removed. --all removes them all."
    size = f"{sum(entry.size for entry in chosen) / 1e6:.1f} MB"
    which = (
        "all" if len(chosen) == len(found) else f"{len(chosen)}, which no run has used for {OLD_DAYS} days"
    )
    return f"To be removed: {which}, {size}."


@contextlib.contextmanager
def show_transfer(verb: str, words: str, size: int, *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """Show a bar with rate and time left; without a terminal a line, or nothing when it need not be known."""
    if not sys.stderr.isatty():
        if not quiet:
            warn(f"{verb} {words}.")
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(verb, *columns, console=Console(stderr=True), transient=quiet) as progress:
        task = progress.add_task(verb, total=size)
        yield lambda came: progress.advance(task, came)


def show_run(run: str, events: Path) -> contextlib.AbstractContextManager[Drawing]:
    """Draw how a run is below what is said. The context yields whether it is drawn."""
    from byok8s.run import live

    return live.shown(run, events)


def say(words: str) -> None:
    print(visible(words), flush=True)  # noqa: T201 - this is the one place that prints


def show_error(error: Byok8sError) -> None:
    """One short paragraph on standard error."""
    details = [line for part in (error.where, error.hint) if part for line in part.splitlines()]
    words = "\n".join(
        [*_wrap(f"byok8s: {error.what}"), *(row for line in details for row in _wrap(f"  {line}"))]
    )
    _say_aloud(words)


def warn(words: str) -> None:
    """Something that does not end the run, on standard error."""
    _say_aloud("\n  ".join(_wrap(f"byok8s: {words}")))


def _say_aloud(words: str) -> None:
    words = visible(words)
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        words = f"\x1b[31m{words}\x1b[0m"
    print(words, file=sys.stderr, flush=True)  # noqa: T201


def _wrap(line: str) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
