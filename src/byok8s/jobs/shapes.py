"""From a Snakemake job to the shape of its pod."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from snakemake_interface_common.exceptions import WorkflowError

from byok8s.errors import InputError
from byok8s.pods import template
from byok8s.pods.manifest import Shape
from byok8s.pods.pod_options import POD_OPTIONS, PULL_POLICY, Value, part_of_pod, pull_policy

if TYPE_CHECKING:
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface


class Dag(Protocol):
    """What is asked of Snakemake's DAG beyond its interface for executors."""

    ready_jobs: Collection[JobExecutorInterface]

    def needrun_jobs(self) -> Iterable[JobExecutorInterface]: ...


class Shapes:
    """What a run says of all its pods, put together with what each rule says.

    options: NAME=VALUE of the run; a rule's value of the same option counts over it. template_path: of the run's pod
    template, a rule's own counts over it. image: returns the image that a job's commands run in, "" for the pods'.
    Raises InputError if one of them cannot be used.
    """

    def __init__(
        self,
        options: Mapping[str, Value],
        template_path: str | None,
        image: Callable[[JobExecutorInterface], str] = lambda _: "",
    ) -> None:
        self._options, self._image = options, image
        self._template = _load(template_path) if template_path else ""
        _said(frozenset(options.items()))

    def of(self, job: JobExecutorInterface) -> Shape:
        """Raises InputError if the rule says something that cannot be used."""
        resources = job.resources
        own = {
            name: resources[name]
            for name in POD_OPTIONS & resources.keys()
            if isinstance(resources[name], Value)
        }
        path = resources.get("pod_template")
        image = self._image(job)
        try:
            # a rule that names an image speaks of that, not of the pods'
            policy = pull_policy(own.pop(PULL_POLICY)) if image and PULL_POLICY in own else ""
            return Shape(
                cores=cores(job),
                mem_mb=number(job, "mem_mb"),
                disk_mb=number(job, "disk_mb"),
                said=_said(frozenset({**self._options, **own}.items())),
                template=template.join(_load(path), self._template)
                if isinstance(path, str)
                else self._template,
                tool=image,
                tool_policy=policy,
            )
        except InputError as error:
            raise InputError(
                f"In rule {job.name}: {error.what}", where=error.where, hint=error.hint
            ) from error

    def of_run(self) -> Shape:
        """Return the shape of a job of which its rule says nothing."""
        return Shape(
            cores=1,
            mem_mb=None,
            disk_mb=None,
            said=_said(frozenset(self._options.items())),
            template=self._template,
        )

    def of_rules(self, dag: Dag) -> dict[str, Shape]:
        """By the name of each rule that has something to do, the shape of one of its jobs; others' may differ.

        A rule is left out whose resources are functions of files that are not there yet.
        """
        found: dict[str, Shape] = {}
        for job in dag.needrun_jobs():
            if job.name not in found and not job.is_local:
                with suppress(WorkflowError):
                    found[job.name] = self.of(job)
        return found

    def of_first(self, dag: Dag, limit: int) -> Iterator[Shape]:
        """The shapes of jobs that can start at once. Those of groups are known only when Snakemake has formed them."""
        ready = (job for job in dag.ready_jobs if not job.is_local and not job.is_group() and not job.group)
        return map(self.of, islice(ready, limit))


def cores(job: JobExecutorInterface) -> int:
    return max(1, int(job.resources.get("_cores", 1)))


def number(job: JobExecutorInterface, resource: str) -> int | None:
    value = job.resources.get(resource)
    return value if isinstance(value, int) else None


@cache
def _said(options: frozenset[tuple[str, Value]]) -> str:
    return json.dumps(part_of_pod(dict(options)), sort_keys=True) if options else ""


@cache
def _load(path: str) -> str:
    return template.load(Path(path))
