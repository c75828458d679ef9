"""The table, and everything about the circumstances that a reader needs to judge it."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median

from common import OURS, THEIRS
from cost import Cost
from measure import Run

HEADER = ("", "byok8s", "upstream", "upstream / byok8s")


def rows(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """A row for each thing that was measured: medians, and in brackets the least and the most."""
    found = []
    for workflow in dict.fromkeys(run.workflow for run in runs):
        sides = [[run for run in runs if run.workflow == workflow and run.side == s] for s in (OURS, THEIRS)]
        found.append(
            _row(f"{workflow}: seconds", [[run.seconds for run in side] for side in sides], "{:.1f}")
        )
        counts = [[run.requests for run in side if run.requests is not None] for side in sides]
        if all(counts):
            found.append(_row(f"{workflow}: API requests", counts, "{:.0f}"))
        if all(run.factor == 1 for side in sides for run in side):
            found += _costs(workflow, [[run.cost for run in side] for side in sides])
    return found


def _costs(workflow: str, sides: Sequence[Sequence[Cost]]) -> list[tuple[str, ...]]:
    parts: dict[str, Callable[[Cost], float]] = {
        "pods": lambda cost: cost.pods,
        "seconds of pods": lambda cost: cost.pod_seconds,
        "seconds of requested cores": lambda cost: cost.core_seconds,
        "seconds of requested GB of memory": lambda cost: cost.gb_seconds,
    }
    return [
        _row(f"{workflow}: {words}", [[part(cost) for cost in side] for side in sides], "{:.0f}")
        for words, part in parts.items()
    ]


def _row(what: str, sides: Sequence[Sequence[float]], form: str) -> tuple[str, ...]:
    cells = [
        f"{form.format(median(side))} ({form.format(min(side))} to {form.format(max(side))})"
        for side in sides
    ]
    return (what, *cells, f"{median(sides[1]) / median(sides[0]):.1f}")


def notes(
    runs: Sequence[Run], theirs: dict[str, str], cluster: str, load: tuple[float, float], words: Sequence[str]
) -> list[str]:
    repetitions = len(runs) // len({(run.side, run.workflow) for run in runs})
    versions = ", ".join(f"{name} {version}" for name, version in theirs.items())
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, N = {repetitions}, alternating; "
        "median (least to most); seconds from the command's start to its exit, "
        "each run from nothing, each result checked",
        f"upstream: {versions}",
        *circumstances(cluster, load),
        *_overheads(runs),
        *_incidents(runs),
        *words,
    ]


def circumstances(cluster: str, load: tuple[float, float]) -> list[str]:
    """load: the machine's load average (1 minute) before the first and after the last run."""
    return [
        f"byok8s {_own_version()}, Snakemake {metadata.version('snakemake')}, "
        f"Python {platform.python_version()} (both sides)",
        f"Kubernetes {cluster}; {_machine()}; load average {load[0]:.1f} before, {load[1]:.1f} after",
    ]


def _overheads(runs: Sequence[Run]) -> list[str]:
    """Of a workflow whose jobs do nothing else: their time in a worker is all overhead."""
    found = sorted(seconds for run in runs if run.workflow == "many" for seconds in run.overheads)
    if not found:
        return []
    return [
        f"many: from a warm worker getting a job of byok8s to Snakemake being told of its end, {len(found)} jobs: "
        f"median {median(found):.2f} s, 95th percentile {found[int(len(found) * 0.95)]:.2f} s"
    ]


def _incidents(runs: Sequence[Run]) -> list[str]:
    late = [
        f"{run.workflow} of {run.side} was ended at the limit: its {run.seconds:.0f} s count as its time"
        for run in runs
        if not run.in_time
    ]
    crowded = Counter(f"{run.workflow} of {run.side}" for run in runs if run.crowding)
    multiplied = {
        f"{run.workflow} of {run.side} was run with {1 / run.factor:.0%} of its jobs, and multiplied"
        for run in runs
        if run.factor != 1
    }
    return (
        late
        + sorted(multiplied)
        + [f"{what}: in {n} runs a pod had to wait for room on a node" for what, n in crowded.items()]
    )


def source() -> str:
    """A hash of byok8s' source, to tell whether all runs measured the same."""
    files = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def plain(table: Sequence[Sequence[str]], below: Sequence[str]) -> str:
    return "\n".join([columns([HEADER, *table]), "", *(f"- {note}" for note in below)])


def columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in shown)


def markdown(table: Sequence[Sequence[str]], below: Sequence[str]) -> str:
    lines = [HEADER, ("---",) * len(HEADER), *table]
    shown = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([*shown, "", *(f"- {note}" for note in below)]) + "\n"


def _own_version() -> str:
    """With the commit, where this is a clone; `+` for changes that are not committed."""
    described = ["git", "describe", "--always", "--abbrev=10", "--exclude=*"]
    changed = ["git", "status", "--porcelain", "--", "src"]
    version = metadata.version("byok8s")
    try:
        words = [
            subprocess.run(
                command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
            )
            for command in (described, changed)
        ]
    except (OSError, subprocess.CalledProcessError):
        return version
    return f"{version} ({words[0].stdout.strip()}{'+' if words[1].stdout.strip() else ''})"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"this machine: {os.cpu_count()} cores, {memory:.0f} GiB{f', {model}' if model else ''}"
