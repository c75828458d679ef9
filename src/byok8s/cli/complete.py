"""What a shell may complete: runs and rules of this folder, contexts of the kubeconfig. It is silent about faults."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

import click

RUNS: Final = Path(".byok8s", "runs")
MOST_LINES: Final = 20_000  # of a run's record, that are looked at for names of rules


def runs(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """Return the runs of this folder that begin so, the newest first."""
    return sorted((path.name for path in RUNS.glob("*") if path.name.startswith(begun)), reverse=True)


def runs_and_rules(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Return the same, and the rules of the run that is named, or of the newest one."""
    found = runs(context, parameter, "")
    named = [word for word in context.params.get(str(parameter.name)) or () if word in found]
    rules = _rules((named or found)[0]) if found else []
    return [name for name in [*([] if named else found), *rules] if name.startswith(begun)]


def contexts(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """Return the kubeconfig's contexts that begin so."""
    from byok8s.kube import kubeconfig

    with suppress(OSError, ValueError):
        found = kubeconfig.read(kubeconfig.files()).contexts
        return sorted(name for name in found if name.startswith(begun))
    return []


def _rules(run: str) -> list[str]:
    names: dict[str, None] = {}
    with suppress(OSError, ValueError), (RUNS / run / "events.jsonl").open(encoding="utf-8") as lines:
        for line in islice(lines, MOST_LINES):
            if '"job.given"' in line and isinstance(rule := json.loads(line).get("rule"), str):
                names[rule] = None
    return list(names)
