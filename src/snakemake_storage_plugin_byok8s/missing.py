"""All inputs that keep a workflow from being planned. Snakemake itself ends at the first job that lacks some."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS: Final = 10.0
_DEEPEST: Final = 100  # jobs in a row: a rule may want its own output without end
_Files: TypeAlias = dict[Any, None]  # in the order in which they are wanted


class Missing(NamedTuple):
    """A file that no rule makes, and that is nowhere. rule: one that wants it."""

    path: str
    rule: str


async def all_missing(dag: Any) -> list[Missing]:
    """Return what the targets of a plan lack, as far as that can be told in some seconds."""
    search = _Search(dag)
    targets = [[await dag.rule2job(rule)] for rule in dag.targetrules]
    targets += [await dag.file2jobs(file) for file in dag.targetfiles]
    files = [file for jobs in targets for file in await search.of_any(jobs, 0) or ()]
    found = {_path(file): file.rule.name if file.rule else "" for file in reversed(files)}
    return [Missing(*each) for each in reversed(found.items())]


class _Search:
    """Each job is looked at once. Of a job that can be made, and of a file, nothing is missing: that is None."""

    def __init__(self, dag: Any) -> None:
        self._dag = dag
        self._known: dict[Any, _Files | None] = {}
        self._until = time.monotonic() + _SECONDS

    async def of_any(self, jobs: Iterable[Any], depth: int) -> _Files | None:
        """Return what a file lacks that any of these jobs would make: what the first that lacks some does."""
        found = [await self._of(job, depth) for job in sorted(jobs, reverse=True)]
        return None if None in found else next((each for each in found if each), {})

    async def _of(self, job: Any, depth: int) -> _Files | None:
        if job in self._known:
            return self._known[job]
        self._known[job] = {}  # as long as it is looked at: what needs itself cannot be made
        if depth > _DEEPEST or time.monotonic() > self._until:
            return {}
        faults = [
            await self._of_file(found.file, found.jobs, depth)
            async for found in self._dag.collect_potential_dependencies(job, known_producers={})
        ]
        lacking = [each for each in faults if each is not None]
        self._known[job] = {file: None for each in lacking for file in each} if lacking else None
        return self._known[job]

    async def _of_file(self, file: Any, jobs: Iterable[Any] | None, depth: int) -> _Files | None:
        if await file.exists():
            return None
        return await self.of_any(jobs, depth + 1) if jobs else {file: None}


def _path(file: Any) -> str:
    """Return the path as the Snakefile has it, if it is a plain one."""
    stored = file.flags.get("storage_object")
    workspace = getattr(getattr(stored, "provider", None), "workspace", None)
    return (workspace and workspace.path(stored)) or str(file)
