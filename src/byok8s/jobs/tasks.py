"""From a Snakemake job to a task."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from byok8s.jobs.shapes import cores, number
from byok8s.pods.manifest import Shape, Task
from byok8s.worker.description import JobDescription, RunDescription

if TYPE_CHECKING:
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

LONGEST_TITLE = 80


def task(
    job: JobExecutorInterface, shape: Shape, description: JobDescription, precommand: str, cwd: str
) -> Task:
    """Return the first attempt at a job. cwd: the working folder within the root."""
    return Task(
        job=_identity(job),
        rule=job.name,
        shape=shape,
        description=to_json(description),
        precommand=precommand,
        runtime=number(job, "runtime"),
        title=_title(job),
        outputs=tuple(file.path for member in description.members for file in member.output),
        logs=logs(job, cwd),
        wildcards=_wildcards(job),
        rules=_rules(job),
        at_once=max(map(len, description.levels)),
        attempt=job.attempt,
        restarts=_restarts(job),
        shared=tuple(_shared(description)),
        after=_after(job),
    )


def to_json(value: JobDescription | RunDescription) -> dict[str, object]:
    """Return a mapping that JSON can hold."""
    # dataclasses' asdict copies each value, which is a large part of describing a job
    found: dict[str, object] = msgspec.to_builtins(value, enc_hook=_without_class)
    return found


def _without_class(value: object) -> object:
    """Return the text or number that a value of a class of Snakemake's or of the workflow's is."""
    match value:
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case float():
            return float.__float__(value)
    raise TypeError(f"{type(value)} is none of a description.")


def logs(job: JobExecutorInterface, cwd: str) -> tuple[str, ...]:
    """Return the log files of a job's rule. cwd: the working folder within the root."""
    return tuple(os.path.normpath(Path(cwd, path)) for path in job.log)


def _shared(description: JobDescription) -> Iterator[tuple[str, int]]:
    """Yield the address of each such input, and its size; of one that is not known, as a directory's, a byte."""
    for member in description.members:
        for file in member.input:
            if file.shared:
                yield f"{file.bucket}/{file.key}", max(file.size, 1)


def here(job: JobExecutorInterface) -> Task:
    """Return a job that runs on this machine, as far as the record of the run has it."""
    return Task(
        job=_identity(job),
        rule=job.name,
        shape=Shape(cores(job), number(job, "mem_mb")),
        title=_title(job),
        outputs=tuple(map(str, job.output)),
        logs=tuple(map(str, job.log)),
        wildcards=_wildcards(job),
        rules=_rules(job),
        attempt=job.attempt,
        restarts=_restarts(job),
        after=_after(job),
    )


@cache  # of a job that many others come after it is asked as often
def _identity(job: JobExecutorInterface) -> str:
    """Of rule and wildcards, of a group of all its jobs': Snakemake's own numbers differ from run to run."""
    return identity((spec.rulename, spec.wildcards_dict) for spec in job.get_target_spec())


def identity(members: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    """Return what a job is known by. members: the rule and the wildcards of each of its jobs."""
    specs = sorted(json.dumps(member, sort_keys=True) for member in members)
    return hashlib.sha256("".join(specs).encode()).hexdigest()[:12]


def _after(job: JobExecutorInterface) -> tuple[str, ...]:
    """Return the jobs that make the inputs of a job: each as itself and, of a group, also as the group's."""
    own = set(job.jobs) if job.is_group() else {job}
    makers = {maker for member in own for maker in member.dag.dependencies[member]} - own
    found = {_identity(maker) for maker in makers}
    groups = {group for maker in makers if (group := maker.dag.get_job_group(maker)) is not None}
    return tuple(sorted(found | {_identity(group) for group in groups} - {_identity(job)}))


def _restarts(job: JobExecutorInterface) -> int:
    """Return how often Snakemake tries a job again after this try."""
    times: int = job.restart_times
    return max(0, times - int(job.attempt) + 1)


def _wildcards(job: JobExecutorInterface) -> dict[str, str]:
    return {} if job.is_group() else {name: str(value) for name, value in job.wildcards_dict.items()}


def _rules(job: JobExecutorInterface) -> tuple[str, ...]:
    return tuple(member.rule.name for member in job.jobs) if job.is_group() else ()


def _title(job: JobExecutorInterface) -> str:
    """For people and file names, as in sort-sample=a."""
    return title(job.name, _wildcards(job))


def title(rule: str, wildcards: Mapping[str, str]) -> str:
    """Return what people and file names call a job."""
    pairs = [f"{name}={value}" for name, value in wildcards.items()]
    return re.sub(r"[^A-Za-z0-9_.=,-]+", "_", "-".join([rule, ",".join(pairs)]).strip("-"))[:LONGEST_TITLE]
