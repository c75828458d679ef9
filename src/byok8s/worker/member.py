"""One member of a job: the call that its rule makes, as often as its benchmark wants."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byok8s.worker import machinery, parsed
from byok8s.worker.description import Member, RunDescription
from byok8s.worker.path_mapping import PathMapping


def perform(member: Member, run: RunDescription, places: PathMapping) -> None:
    """Run a member. Raises what it raises."""
    if member.action.kind == "function":
        parsed.perform(member, run, places, run_function)
    else:
        _run(member, places, lambda given, iteration: _act(member, places, given, iteration))


def run_function(member: Member, places: PathMapping, workflow: Any) -> None:
    """Run a member whose code is the Snakefile's. workflow: what Snakemake has made of that. Raises what it raises."""
    function = machinery.function(workflow, member.rule)
    parsed.set_globals(member, function, places)

    def call(given: machinery.Values, iteration: int | None) -> Any:
        if iteration is None:
            return machinery.run_function(function, given, None, None)
        with machinery.benchmarked() as record:
            machinery.run_function(function, given, iteration, record)
        return record

    _run(member, places, call)


def _run(member: Member, places: PathMapping, call: Callable[[machinery.Values, int | None], Any]) -> None:
    """call: is given the rule's values and the iteration of a benchmark, None without one; returns its record."""
    given = machinery.values(member, places.relocate)
    if member.benchmark:
        records = [call(given, iteration) for iteration in range(member.repeats)]
        machinery.write_benchmarks(records, member, given)
    else:
        call(given, None)
    for file in member.log:
        if not os.path.lexists(file.path):  # a link may lead anywhere
            Path(file.path).touch()


def _act(member: Member, places: PathMapping, given: machinery.Values, iteration: int | None) -> Any:
    if iteration is None:
        return machinery.act(member.action, given, places, None, None)
    if member.action.kind in {"notebook", "render_template"}:  # their calls do not measure themselves
        with machinery.benchmarked() as record:
            machinery.act(member.action, given, places, iteration, None)
        return record
    record = machinery.benchmark_record()
    machinery.act(member.action, given, places, iteration, record)
    return record
