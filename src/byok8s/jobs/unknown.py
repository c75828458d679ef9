"""Values that Snakemake does not know before it runs a job, and writes as <TBD>.

They come from rules.py: a function of resources or params that raises FileNotFoundError for an input of its own, as
`input.size_mb` does for a file that is not there yet, gives a TBDString; so does one that wants a checkpoint's output.
Before a job is chosen, Snakemake evaluates again (`Job.reset_params_and_resources`), with all its inputs there. The
members of a group are chosen together: the inputs of a later one are made by an earlier one, so its values are not
known when the group is submitted. Either each member is evaluated after those before it, or the group is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from byok8s.errors import InputError

if TYPE_CHECKING:
    from snakemake.jobs import Job

MACHINES = frozenset({"tmpdir"})  # what only the machine that runs a job knows


def unknown(job: Job) -> list[str]:
    """Return the resources and params of a job that are not known, as `resources.mem_mb`."""
    return [*_unknown("resources", job.resources.items()), *_unknown("params", _params(job))]


def check(jobs: Iterable[Job]) -> None:
    """Raise InputError if a value of these jobs is not known, so that it would reach a command as text."""
    for job in jobs:
        if names := unknown(job):
            where = f"It is a member of the group {job.group}." if job.group else ""
            raise InputError(
                f"Of rule {job.rule.name}, {', '.join(names)} cannot be known before other jobs of its group have run.",
                where=where,
                hint="Give it a value that does not depend on the content or size of the group's files, or take "
                "the rule out of the group.",
            )


def _params(job: Job) -> Iterator[tuple[str, object]]:
    for number, (name, value) in enumerate(job.params._allitems()):
        yield name or str(number), value


def _unknown(kind: str, values: Iterable[tuple[str, object]]) -> Iterator[str]:
    return (f"{kind}.{name}" for name, value in values if name not in MACHINES and _is_unknown(value))


def _is_unknown(value: object) -> bool:
    from snakemake.common.tbdstring import TBDString

    return isinstance(value, TBDString) or (isinstance(value, list | tuple) and any(map(_is_unknown, value)))
