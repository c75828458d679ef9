"""Measures byok8s beside upstream on the same cluster, in one go: see bench/README.md.

usage: eval "$(make -s rig-env)"; .venv/bin/python bench/seed.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import report
import upstream
from byok8s.errors import Byok8sError
from common import OURS, THEIRS, BenchError, alone, need_rig, say
from measure import BYOK8S, Bench, Run, prefix
from namespace import AUDIT_LOG, AuditLog, bench_namespace
from workflows import WORKFLOWS

LIMIT_SECONDS = 300


def main() -> None:
    options = _options()
    try:
        table, notes = _measure(options)
    except (BenchError, Byok8sError) as error:
        sys.exit(f"bench: {error}")
    print(report.plain(table, notes))
    if options.markdown:
        options.markdown.write_text(report.markdown(table, notes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure byok8s beside upstream on the same cluster.")
    parser.add_argument("-n", "--repetitions", type=int, default=3, metavar="N")
    parser.add_argument("--workflows", nargs="+", choices=WORKFLOWS, default=["alpha", "zeta"])
    parser.add_argument(
        "--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS",
        help=f"a run that takes longer is killed [default: {LIMIT_SECONDS}]",
    )  # fmt: skip
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the output of all runs there")
    options = parser.parse_args()
    if options.repetitions < 1:
        parser.error("N must be at least 1")
    return options


def _measure(options: argparse.Namespace) -> tuple[list[tuple[str, ...]], list[str]]:
    need_rig()
    with ExitStack() as stack:
        alone(stack)
        theirs = upstream.Upstream()
        versions = theirs.versions()
        _warm(theirs)
        url = stack.enter_context(upstream.serve(theirs.wheels))
        here = stack.enter_context(bench_namespace())
        folder = options.logs or Path(stack.enter_context(TemporaryDirectory(prefix="byok8s-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        precommand, words = upstream.prepare_pods(here, url)
        audit = AuditLog()
        if not audit:
            words.append(f"API requests were not counted: {AUDIT_LOG} names no audit log")
        source = report.source()
        bucket = stack.enter_context(prefix(here.namespace))
        bench = Bench(here, audit, bucket, folder.resolve(), options.limit, theirs, url, precommand)
        before = os.getloadavg()[0]
        runs = _repeat(bench, options.workflows, options.repetitions)
        load = (before, os.getloadavg()[0])
        if report.source() != source:
            words.append("byok8s' source changed while this was measured")
        return report.rows(runs), report.notes(runs, versions, here.cluster(), load, words)


def _repeat(bench: Bench, workflows: Sequence[str], repetitions: int) -> list[Run]:
    runs = []
    for number in range(1, repetitions + 1):
        for workflow in workflows:
            for side in (OURS, THEIRS):
                run = bench.run(side, WORKFLOWS[workflow], number)
                counted = f", {run.requests} requests" if run.requests is not None else ""
                late = "" if run.in_time else " (ended: the time limit)"
                crowded = f" (pods waited: {run.crowding})" if run.crowding else ""
                say(f"{workflow} {number}/{repetitions} {side}: {run.seconds:.1f} s{counted}{late}{crowded}")
                runs.append(run)
    return runs


def _warm(theirs: upstream.Upstream) -> None:
    """Neither side's first run shall read its programs from a cold disk."""
    for program in (BYOK8S, theirs.snakemake):
        subprocess.run([str(program), "--version"], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
