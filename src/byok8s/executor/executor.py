"""Snakemake's executor: a job in, a pod out; a pod's end in, a finished job out.

It is driven by one watch and keeps its own book of jobs. Snakemake's RemoteExecutor polls instead, and
forgets its jobs while it does.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import ExecMode

from byok8s import compat
from byok8s.access import check
from byok8s.access.rights import STREAM_RIGHTS
from byok8s.bundle import delivery
from byok8s.data import inputs
from byok8s.errors import Byok8sError
from byok8s.executor import capacity, key, pod_environment
from byok8s.executor.admission import try_shapes
from byok8s.executor.environments import Environments
from byok8s.executor.log_files import LogFiles
from byok8s.executor.preparation import prepare
from byok8s.executor.starts import Starts
from byok8s.executor.stored_outputs import ids, members
from byok8s.executor.under_way import UnderWay
from byok8s.fleet.dispatch import Dispatch
from byok8s.fleet.fleet import Options
from byok8s.fleet.interrupts import (
    end_on_termination,
    end_on_termination_from_now_on,
    guard_logging,
    undisturbed,
)
from byok8s.fleet.record import Record
from byok8s.fleet.retries import RetryPolicy
from byok8s.fleet.room import DEFAULT_REUSE_FACTOR
from byok8s.jobs import software, tasks
from byok8s.jobs.orders import Orders
from byok8s.jobs.shapes import Shapes
from byok8s.jobs.threads import scale_down
from byok8s.kube import KubeClient, connect
from byok8s.locks.owner import identity
from byok8s.pods.manifest import PodSettings, Shape, Task
from byok8s.pods.names import CONTROLLER_ANNOTATION, new_run_id
from byok8s.pods.pod_options import parse
from byok8s.run_objects.objects import Contents, RunObjects
from byok8s.run_objects.renewal import Renewal
from byok8s.s3 import CurrentCredentials
from byok8s.shown import guard_snakemake
from byok8s.software.spec import Spec

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

    from snakemake_storage_plugin_byok8s import StorageProvider


class Executor(RealExecutor):  # type: ignore[misc]
    """What Snakemake sees. Where a job runs is its controller's business."""

    def __post_init__(self) -> None:
        if self.workflow.storage_settings.default_storage_provider is None:
            raise WorkflowError(
                "Jobs of the byok8s executor have no disk in common with this machine: name a bucket for "
                "their files with --default-storage-provider byok8s --default-storage-prefix s3://BUCKET/PREFIX."
            )
        self._names = key.names(self.executor_settings.run or new_run_id())
        end_on_termination_from_now_on()
        guard_snakemake()
        guard_logging()
        self._record = Record(self._names.run, self.logger.warning)
        self._limit = self.workflow.resource_settings.nodes or sys.maxsize
        self._orders = Orders(
            self._provider, self.workflow.storage_settings.default_storage_prefix, self._names.run
        )
        if hasattr(self._provider, "connection"):  # it is byok8s' own
            self._provider.connection.on_outage(self._record.outage)
        self._starts: Starts | None = None
        self._log_files: LogFiles | None = None
        self._environments: Environments | None = None
        self._unmade: list[Spec] = []
        self._starting: Future[None] | None = None
        self._cluster: RunObjects | None = None
        self._renewal: Renewal | None = None
        self._crash: Exception | None = None
        self._largest_mb: int | None = None
        try:
            self._shapes = Shapes(
                parse(self.executor_settings.pod or "{}"),
                self.executor_settings.pod_template,
                software.image_of,
            )
            if len(self.dag):
                self._prepare()
        except Byok8sError as error:
            raise WorkflowError(str(error)) from error

    def _prepare(self) -> None:
        """Snakemake has planned, and has not yet chosen its first jobs. First all that can be wrong, then the start."""
        alias = self.executor_settings.channel_alias or ""
        self._prepared = prepare(self.workflow, self.dag, self._shapes, alias, self.logger)
        self._environments = self._prepared.environments
        if shapes := self._shapes.of_rules(self.dag):
            self._try(shapes)
        if self._environments:
            self._unmade = self._environments.missing(_in_pods(self.dag))
        inputs.give(self.dag)
        # not before: nothing ends an executor whose making has failed, nor what it has Snakemake log
        self._starts, self._log_files = Starts(self.logger, self.dag), LogFiles(self.logger)
        self._under_way = UnderWay(
            self, self._prepared, self._starts, self._record, self._orders, self._task, self._carry_out
        )
        if shapes:
            # what makes environments first, as workers would take the node's room
            self._begin([] if self._unmade else list(self._shapes.of_first(self.dag, self._limit)))

    def _try(self, shapes: Mapping[str, Shape]) -> None:
        """Find what of the pods the cluster would refuse, and how many threads its nodes have."""
        cluster = RunObjects(self._client, self._namespace, self._names, self._pod_settings(config_maps=0))
        scaled = ""
        if self.executor_settings.scale_threads:
            scaled = self._scale_threads(cluster, shapes)
            shapes = self._shapes.of_rules(self.dag)
        trial = try_shapes(cluster, shapes)
        self._largest_mb = trial.largest_mb
        for words in filter(None, (trial.words, scaled, software.unused_cache(self.dag))):
            self.logger.warning(words)

    def _scale_threads(self, cluster: RunObjects, shapes: Mapping[str, Shape]) -> str:
        nodes = cluster.nodes()
        own = capacity.of_shapes(cluster, {**shapes, "": self._shapes.of_run()}, nodes)
        return scale_down(self.dag, own.pop(""), own) if "" in own else ""

    # -- Snakemake asks --

    @property
    def cores(self) -> str:
        return "all"

    def get_python_executable(self) -> str:
        return "python"

    def get_exec_mode(self) -> ExecMode:
        return ExecMode.REMOTE

    def get_snakefile(self) -> str:
        return os.path.relpath(self.snakefile)

    def run_jobs(self, jobs: list[JobExecutorInterface]) -> None:
        end_on_termination()
        try:
            self._begin([]).result()
            if self._crash:
                raise self._crash
            # without a checkpoint all jobs were looked at when planned
            if any(rule.is_checkpoint for rule in self.workflow.rules):
                self._prepared.files.check(members(jobs))
                self._make_environments(members(jobs))
            for job in jobs:
                self.run_job_pre(job)
                self._under_way.take(job)
        except Byok8sError as error:
            raise WorkflowError(str(error)) from error

    def printjob(self, job: JobExecutorInterface) -> None:
        if self._starts:
            self._starts.put_off(partial(super().printjob, job), ids(job))

    def _make_environments(self, jobs: Iterable[Job]) -> None:
        """Make those of jobs that were not planned from the beginning."""
        if self._environments and self._cluster:
            self._environments.make(self._environments.missing(jobs), self._cluster)

    def run_job(self, job: JobExecutorInterface) -> None:
        self.run_jobs([job])

    def shutdown(self) -> None:
        """Snakemake has no more jobs for us, or none that it waits for. Removes everything of the run."""
        atexit.unregister(self.shutdown)
        if self._starts:
            self._starts.end()
        if self._log_files:
            self._log_files.close()
        if self._environments:
            self._environments.end()
            self._record.events.any_urgent |= self._environments.killed
        if self._starting:
            wait([self._starting])
        cluster, self._cluster = self._cluster, None
        if self._renewal:
            self._renewal.end()
        if cluster is None:
            return
        try:
            with contextlib.ExitStack() as whatever_happens:
                whatever_happens.callback(self._remove, cluster)
                with undisturbed():
                    self._dispatch.end()
                with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C: do not wait, but do clean up
                    if count := len(self._under_way):
                        self.logger.info(f"Ending {count} jobs.")
                        cluster.end_pods()
        except Byok8sError as error:
            self.logger.error(
                f"Not everything of run {self._names.run} could be removed from the cluster: {error} "
                f"Remove it with: byok8s clean {self._names.run} -k {self._namespace}"
            )

    def _remove(self, cluster: RunObjects) -> None:
        with undisturbed():
            cluster.remove()
            self._orders.remove()

    def cancel(self) -> None:
        """The user has interrupted, or Snakemake has failed."""
        self.shutdown()

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        if self._log_files:
            self._log_files.forget(ids(job_info.job))
        super().report_job_success(job_info)

    def handle_job_error(self, job: JobExecutorInterface) -> None:
        compat.count_as_waiting(job)
        super().handle_job_error(job)

    def print_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: object) -> None:
        super().print_job_error(job_info, msg, **{"external_jobid": job_info.external_jobid, **kwargs})

    # -- towards the cluster --

    @cached_property
    def _client(self) -> KubeClient:
        return connect(self.executor_settings.context)

    @cached_property
    def _namespace(self) -> str:
        return str(self.executor_settings.namespace or self._client.context.namespace or "default")

    def _begin(self, first: Sequence[Shape]) -> Future[None]:
        """Start, where that is not done or under way. first: of the jobs that will be the first."""
        if self._starting is None:
            self._starting = ThreadPoolExecutor(1, thread_name_prefix="start").submit(self._start, first)
            atexit.register(self.shutdown)  # Snakemake may end before it gives us a job
        return self._starting

    def _start(self, first: Sequence[Shape]) -> None:
        shares = delivery.config_maps(
            delivery.worker_files(), {"sources": self._prepared.sources, "libraries": delivery.libraries()}
        )
        cluster = RunObjects(self._client, self._namespace, self._names, self._pod_settings(len(shares)))
        self._dispatch = Dispatch(
            self._client,
            cluster,
            self._options(),
            self._record,
            self.logger,
            self._under_way.on_begin,
            self._under_way.on_end,
            self._crashed,
            self._environments,
        )
        self._cluster = cluster
        current = CurrentCredentials()
        no_copy = self.executor_settings.no_credentials
        credentials = {} if no_copy else pod_environment.credentials_file(current)
        of_channels = self._environments.secret() if self._environments else {}
        secret = dict(self.envvars()) | credentials | of_channels
        contents = Contents(secret, shares, json.dumps(tasks.to_json(self._prepared.run)))
        self._dispatch.start(contents, self._annotations(), first)
        if credentials:
            self._renewal = Renewal(
                credentials,
                lambda: pod_environment.file_of(current.read()),
                cluster.change_secret,
                self.logger.warning,
            )
            self._renewal.start()
        if self._environments and self._unmade:
            self._environments.make(self._unmade, cluster)

    def _crashed(self, error: Exception) -> None:
        """End the run. Snakemake makes its scheduler only when the executor is there, which then begins already."""
        self._crash = error
        if self._environments:
            self._environments.end()
        if self.workflow.scheduler:
            self.workflow.scheduler.executor_error_callback(error)

    def _options(self) -> Options:
        settings = self.executor_settings
        reuse = not settings.no_reuse
        if reuse and check.missing(self._client, self._namespace, STREAM_RIGHTS):
            self.logger.info(
                "Streams to pods (pods/exec) are not allowed here: each job gets a pod of its own."
            )
            reuse = False
        policy = RetryPolicy(
            settings.oom_retries or 0, settings.oom_factor or RetryPolicy.oom_factor, self._largest_mb
        )
        minutes = settings.pending_timeout
        return Options(
            policy,
            self._limit,
            reuse,
            minutes * 60 if minutes else None,
            settings.reuse_factor or DEFAULT_REUSE_FACTOR,
        )

    def _pod_settings(self, config_maps: int) -> PodSettings:
        return PodSettings(
            image=self.workflow.remote_execution_settings.container_image,
            config_maps=config_maps,
            environment=pod_environment.environment(),
            secret_variables=sorted(self.envvars()),
            claim=self.executor_settings.cache or "",
        )

    def _annotations(self) -> Mapping[str, str]:
        """For operators who wonder whose pods these are."""
        return {
            "byok8s.io/snakefile": self.get_snakefile(),
            CONTROLLER_ANNOTATION: identity(),
        }

    def _task(self, job: JobExecutorInterface) -> Task:
        """Decide all of a job. Raises Undescribable, or what the workflow's own functions raise."""
        task = tasks.task(
            job,
            self._shapes.of(job),
            self._prepared.describer.describe(job),
            self.workflow.remote_execution_settings.precommand or "",
            self._prepared.run.cwd,
        )
        self._give_log_files(job, task)
        return replace(task, description=self._orders.place(task, always=not self._dispatch.reuses))

    def _give_log_files(self, job: JobExecutorInterface, task: Task) -> None:
        if self._log_files:
            for member in members([job]):
                own = [self._record.file(task, path) for path in tasks.logs(member, self._prepared.run.cwd)]
                self._log_files.give(member.jobid, [*own, self._record.log(task)])

    def _carry_out(self, task: Task) -> None:
        self._dispatch.submit(task)

    @cached_property
    def _provider(self) -> StorageProvider:
        provider: StorageProvider = self.workflow.storage_registry.default_storage_provider
        return provider


def _in_pods(dag: Any) -> list[Job]:
    return [job for job in dag.needrun_jobs() if not job.is_local]
