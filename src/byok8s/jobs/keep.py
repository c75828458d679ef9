"""Files that rules leave and do not declare: which are kept, and what is said of the others.

`byok8s_keep`, a resource of a rule, is patterns of those to keep. They are stored under the keys that their paths name,
and are there for a job that takes an output of the rule.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Protocol

from byok8s.errors import InputError
from byok8s.jobs.job_files import files_of
from byok8s.worker.description import File, Left, Stored
from byok8s.worker.pattern import beginning, expression, plain

if TYPE_CHECKING:
    from snakemake.jobs import Job

RESOURCE: Final = "byok8s_keep"
DECLARED: Final = frozenset({"output", "log", "benchmark"})


class Bucket(Protocol):
    """Who knows what is in the bucket."""

    def listing(self, bucket: str, prefix: str) -> Mapping[str, Facts]: ...


class Facts(Protocol):
    @property
    def size(self) -> int: ...


def patterns(job: Job) -> list[str]:
    """Return the patterns of a job's rule, none if it keeps nothing. Raises InputError for one that cannot be used."""
    if RESOURCE not in job.rule.resources:
        return []
    said = job.resources.get(RESOURCE)
    if not isinstance(said, str):
        raise InputError(
            f"{RESOURCE}={said!r} of rule {job.rule.name} is no pattern of files.",
            hint=f'As in {RESOURCE}="ref/genome.fa.*"; several are separated by commas.',
        )
    found = [word.strip() for word in said.split(",") if word.strip()]
    for pattern in found:
        _check(pattern, job.rule.name)
    return found


def _check(pattern: str, rule: str) -> None:
    said = f"{RESOURCE}={pattern!r} of rule {rule}"
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise InputError(f"{said} leads out of the working folder.", hint="Name files relative to that.")
    if plain(pattern) in {"", ".", "*", "**"}:
        raise InputError(f"{said} names every file.", hint="Name those that are results.")


def check(jobs: Iterable[Job]) -> None:
    """Raise InputError for a pattern that cannot be used: one of these jobs' outputs, logs and benchmarks fits it."""
    jobs = list(jobs)
    found = wanted(jobs)
    if not found:
        return
    named = declared(jobs)
    paths = sorted(named)
    for pattern, rule in sorted(found):
        if path := next(_matching(pattern, paths), None):
            raise InputError(
                f"{RESOURCE}={pattern!r} of rule {rule} also names {path}, which rule {named[path]} declares.",
                hint="What is declared is kept anyway: have the pattern name other files alone.",
            )


def wanted(jobs: Iterable[Job]) -> set[tuple[str, str]]:
    """Return the patterns of jobs, each with the name of its rule, as far as they are known.

    Raises InputError for one that cannot be used.
    """
    from snakemake.common.tbdstring import TBDString

    return {
        (pattern, job.rule.name)
        for job in jobs
        if RESOURCE in job.rule.resources and not isinstance(job.resources.get(RESOURCE), TBDString)
        for pattern in patterns(job)
    }


def declared(jobs: Iterable[Job]) -> dict[str, str]:
    """Return the outputs, logs and benchmarks of jobs, as the Snakefile has them, with the names of their rules."""
    found = {}
    for job in jobs:
        prefix = f"{job.rule.workflow.storage_settings.default_storage_prefix or ''}".rstrip("/") + "/"
        for kind, file in files_of(job):
            if kind in DECLARED:
                query = str(getattr(file.flags.get("storage_object"), "query", file))
                found[query.removeprefix(prefix)] = job.rule.name
    return found


def words(left: Left, known: Collection[str]) -> str:
    """Say that a rule's job has left files; nothing if other rules declare them all. known: what rules declare."""
    paths = [path for path in left.paths if path not in known]
    count = left.count - (len(left.paths) - len(paths))
    if not paths:
        return ""
    more = f" and {count - 1} more" if count > 1 else ""
    return (
        f"Rule {left.rule} also left {paths[0]}{more}, which no rule declares: not kept. "
        f'Declare what is a result as an output, or keep it: resources: {RESOURCE}="PATTERN".'
    )


def _matching(pattern: str, paths: Sequence[str]) -> Iterator[str]:
    """Yield those of some sorted paths that a pattern names."""
    start, fits = beginning(pattern), expression(pattern)
    after = (paths[at] for at in range(bisect_left(paths, start), len(paths)))
    return (path for path in takewhile(lambda path: path.startswith(start), after) if fits.fullmatch(path))


class Kept:
    """What rules have kept: in this run as their jobs have told, before it as the bucket has it. Any thread may call.

    at: name of the bucket, and what is put before a path to make its key there.
    """

    def __init__(self, provider: Bucket, bucket: str, prefix: str) -> None:
        self._provider, self._bucket, self._prefix = provider, bucket, prefix
        self._lock = threading.Lock()
        self._told: dict[Job, list[File]] = {}
        self._listed: dict[str, list[File]] = {}  # by what the keys begin with

    def learn(self, jobs: Iterable[Job], stored: Sequence[Stored]) -> list[Stored]:
        """Note what jobs have kept, that have just ended well. Return what that is of all that they have stored."""
        if not stored:  # it could not be told, and is to be asked for
            self._listed.clear()
            return []
        sizes = {each.key.removeprefix(self._prefix): each for each in stored if each.bucket == self._bucket}
        found: dict[str, Stored] = {}
        for job in jobs:
            names = [name for pattern in patterns(job) for name in _matching(pattern, sorted(sizes))]
            with self._lock:
                self._told[job] = [self._file(name, sizes[name].size) for name in names]
            found |= {name: sizes[name] for name in names}
        return list(found.values())

    def beside(self, jobs: Sequence[Job]) -> list[File]:
        """Return what the rules have kept that made these jobs' inputs. The jobs of a group share a folder."""
        makers = {maker: None for job in jobs for maker in job.dag.dependencies[job] if maker not in jobs}
        return [file for maker in makers if RESOURCE in maker.rule.resources for file in self._of(maker)]

    def _of(self, maker: Job) -> list[File]:
        with self._lock:
            if maker in self._told:
                return self._told[maker]
        return [
            file for pattern in patterns(maker) for file in self._list(pattern) if _names(pattern, file.path)
        ]

    def _list(self, pattern: str) -> list[File]:
        from snakemake_storage_plugin_byok8s.tree import stands_for_folder

        start = beginning(pattern)
        if start not in self._listed:
            found = self._provider.listing(self._bucket, self._prefix + start)
            files = [
                self._file(key.removeprefix(self._prefix), facts.size)
                for key, facts in found.items()
                if not stands_for_folder(key)
            ]
            self._listed[start] = files
        return self._listed[start]

    def _file(self, path: str, size: int) -> File:
        return File(path, self._bucket, self._prefix + path, size=size)


def _names(pattern: str, path: str) -> bool:
    return expression(pattern).fullmatch(path) is not None
