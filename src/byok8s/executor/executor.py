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
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import ExecMode

from byok8s import compat, workspace
from byok8s.access import check
from byok8s.access.rights import STREAM_RIGHTS
from byok8s.bundle import delivery
from byok8s.data import inputs
from byok8s.errors import Byok8sError
from byok8s.executor import capacity, key, pod_environment
from byok8s.executor.admission import try_shapes
from byok8s.executor.environments import Environments, Unmade
from byok8s.executor.log_files import LogFiles
from byok8s.executor.starts import Starts
from byok8s.executor.stored_outputs import StoredOutputs, members
from byok8s.fleet.dispatch import Dispatch
from byok8s.fleet.fleet import Options
from byok8s.fleet.interrupts import end_on_termination, end_on_termination_from_now_on, undisturbed
from byok8s.fleet.record import Record
from byok8s.fleet.retries import RetryPolicy
from byok8s.fleet.room import DEFAULT_REUSE_FACTOR
from byok8s.jobs import between_workflow_cache, keep, keys, providers, software, tasks
from byok8s.jobs.description import Describer
from byok8s.jobs.orders import Orders
from byok8s.jobs.run_description import run_description
from byok8s.jobs.shapes import Shapes
from byok8s.jobs.shared import Shared
from byok8s.jobs.split import SplitGroup, wants_split
from byok8s.jobs.threads import scale_down
from byok8s.jobs.upstream import Upstream
from byok8s.kube import KubeClient, connect
from byok8s.locks.owner import identity
from byok8s.pods.manifest import PodSettings, Shape, Task
from byok8s.pods.names import CONTROLLER_ANNOTATION, new_run_id
from byok8s.pods.outcome import Outcome, State
from byok8s.pods.pod_options import parse
from byok8s.run_objects.objects import Contents, RunObjects
from byok8s.run_objects.renewal import Renewal
from byok8s.s3 import Bucket, CurrentCredentials
from byok8s.shown import guard_snakemake
from byok8s.software.channels import Channels
from byok8s.software.spec import Spec, Specs
from byok8s.software.store import Store
from byok8s.worker.description import to_json

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake_interface_executor_plugins.jobs import GroupJobExecutorInterface, JobExecutorInterface

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
        self._lock = threading.Lock()
        self._group_lock = threading.Lock()
        self._jobs: dict[str, SubmittedJobInfo] = {}  # by the name of the job: those under way
        self._declared: dict[str, str] = {}  # outputs, logs and benchmarks, with their rules
        self._told_of: set[str] = set()  # rules whose jobs have left what nobody declares
        self._groups: dict[str, SplitGroup] = {}  # by the name of the member under way
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
        if len(self.dag):  # else nothing ends this executor, nor what it has Snakemake log
            self._starts, self._log_files = Starts(self.logger, self.dag), LogFiles(self.logger)

    def _prepare(self) -> None:
        """Snakemake has planned, and has not yet chosen its first jobs. First all that can be wrong, then the start."""
        software.check(self.dag)
        providers.check(self.dag)
        self._check_files(self.dag.jobs)
        compat.check()
        self._root = workspace.root()
        self._run = run_description(self.workflow, self._root)
        self._kept = keep.Kept(self._provider, self._run.bucket, self._run.prefix)
        self._outputs = StoredOutputs(self._provider, self._kept)
        self._between = between_workflow_cache.BetweenWorkflowCache(self.workflow)
        self._environments = self._environments_of_rules()
        self._describer = Describer(
            self._run,
            self._root,
            compat.source_caches(self.workflow),
            self._kept,
            Upstream(self.dag),
            self._environments.of if self._environments else lambda _: None,
            Shared(self.dag).is_shared,
        )
        self._sources = delivery.sources(self.dag, self.logger.warning)
        if shapes := self._shapes.of_rules(self.dag):
            self._try(shapes)
        if self._environments:
            self._unmade = self._environments.missing(_in_pods(self.dag))
        inputs.give(self.dag)
        if shapes:
            # what makes environments first, as workers would take the node's room
            self._begin([] if self._unmade else list(self._shapes.of_first(self.dag, self._limit)))

    def _environments_of_rules(self) -> Environments | None:
        """Return what knows of conda environments, None if rules get what the image has."""
        if not software.honours_conda(self.workflow):
            return None
        settings = self.executor_settings
        prefix = self.workflow.storage_settings.default_storage_prefix
        bucket = Bucket.parse(prefix, self._provider.settings.endpoint_url)
        return Environments(
            Specs(self.workflow),
            Store(bucket),
            self._shapes.of_run(),
            Channels((settings.channel_alias or "").rstrip("/")),
            self.logger,
        )

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

    def _check_files(self, jobs: Iterable[Job]) -> None:
        jobs = list(jobs)
        keep.check(jobs)
        self._declared |= keep.declared(jobs)
        keys.check(list(keys.stored(jobs, self.workflow)), keys.asking(self.workflow))

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
                self._check_files(members(jobs))
                self._make_environments(members(jobs))
            for job in jobs:
                self.run_job_pre(job)
                if self._between.is_for(job):
                    self._between.take(job, partial(self._on_cache, job))
                else:
                    self._submit(job)
        except Byok8sError as error:
            raise WorkflowError(str(error)) from error

    def printjob(self, job: JobExecutorInterface) -> None:
        if self._starts:
            self._starts.put_off(partial(super().printjob, job), _ids(job))

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
                    if self._jobs:
                        self.logger.info(f"Ending {len(self._jobs)} jobs.")
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
            delivery.worker_files(), {"sources": self._sources, "libraries": delivery.libraries()}
        )
        cluster = RunObjects(self._client, self._namespace, self._names, self._pod_settings(len(shares)))
        self._dispatch = Dispatch(
            self._client,
            cluster,
            self._options(),
            self._record,
            self.logger,
            self._on_begin,
            self._on_end,
            self._crashed,
            self._environments,
        )
        self._cluster = cluster
        current = CurrentCredentials()
        no_copy = self.executor_settings.no_credentials
        credentials = {} if no_copy else pod_environment.credentials_file(current)
        of_channels = self._environments.secret() if self._environments else {}
        secret = dict(self.envvars()) | credentials | of_channels
        contents = Contents(secret, shares, json.dumps(to_json(self._run)))
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

    def _on_cache(self, job: JobExecutorInterface, found: bool | Exception) -> None:
        """The cache between workflows was asked for a job's outputs."""
        if found is False:
            self._submit(job)
            return
        info = SubmittedJobInfo(job)
        self.report_job_submission(info)
        task = tasks.here(job)
        self._record.given(task)
        if found is True:
            self._record.succeeded_here(task)
        self._end_of_cached(info, found)

    def _end_of_cached(self, info: SubmittedJobInfo, found: bool | Exception) -> None:
        """A job's outputs are in the bucket and in the cache between workflows, or something was wrong."""
        self._end(info, f"Failed: {found}" if isinstance(found, Exception) else "")

    def _submit(self, job: JobExecutorInterface) -> None:
        try:
            if job.is_group() and wants_split(job):
                self.report_job_submission(SubmittedJobInfo(job))
                SplitGroup(job, self._submit_member).next_level()
                return
            task = self._task(job)
        except Exception as error:  # noqa: BLE001 - of the workflow's own functions: the job fails, and no other
            self._report(SubmittedJobInfo(job), _of_submission(error))
            return
        info = SubmittedJobInfo(job, external_jobid=task.id)
        with self._lock:
            self._jobs[task.job] = info
        self.report_job_submission(info)
        self._dispatch.submit(task)

    def _submit_member(self, member: JobExecutorInterface, group: SplitGroup) -> Task:
        task = self._task(member)
        with self._lock:
            self._jobs[task.job] = SubmittedJobInfo(member, external_jobid=task.id)
            self._groups[task.job] = group
        self._dispatch.submit(task)
        return task

    def _task(self, job: JobExecutorInterface) -> Task:
        """Decide all of a job. Raises Undescribable, or what the workflow's own functions raise."""
        task = tasks.task(
            job,
            self._shapes.of(job),
            self._describer.describe(job),
            self.workflow.remote_execution_settings.precommand or "",
            self._run.cwd,
        )
        self._give_log_files(job, task)
        return replace(task, description=self._orders.place(task, always=not self._dispatch.reuses))

    def _give_log_files(self, job: JobExecutorInterface, task: Task) -> None:
        if self._log_files:
            for member in members([job]):
                own = [self._record.file(task, path) for path in tasks.logs(member, self._run.cwd)]
                self._log_files.give(member.jobid, [*own, self._record.log(task)])

    @cached_property
    def _provider(self) -> StorageProvider:
        provider: StorageProvider = self.workflow.storage_registry.default_storage_provider
        return provider

    # -- from the cluster, in other threads --

    def _on_begin(self, task: Task, pod: str) -> None:
        with self._lock:
            info = self._jobs.get(task.job)
        if info and self._starts:
            self._starts.began(task.job, _ids(info.job), pod)

    def _on_end(self, task: Task, pod: str, found: Outcome) -> None:
        if self._starts:
            self._starts.tell(task.job)
        with self._lock:
            info = self._jobs.pop(task.job, None)
            group = self._groups.pop(task.job, None)
        if info is None:
            return
        try:
            self._orders.remove(task)
            if found.state is State.SUCCEEDED:
                found = self._outputs.learn(info.job, found)
                self._tell_of_left(found)
            well = found.state is State.SUCCEEDED
            if group:
                self._go_on_with(group, task, pod, found, well=well)
            else:
                if not well and info.job.is_group():
                    self._keep(info.job, self._outputs.done_members(info.job, found))
                self._report(info, "" if well else self._words(task, pod, found))
        except Exception as error:  # noqa: BLE001 - a job that is not reported would be waited for without end
            self.workflow.scheduler.executor_error_callback(error)

    def _tell_of_left(self, found: Outcome) -> None:
        """Say once a rule that its jobs leave files which nobody keeps."""
        for each in found.left:
            with self._lock:
                first = each.rule not in self._told_of
                self._told_of.add(each.rule)
            if first and (words := keep.words(each, self._declared)):
                self.logger.warning(words)

    def _go_on_with(self, group: SplitGroup, task: Task, pod: str, found: Outcome, *, well: bool) -> None:
        """A member of a group has ended, whose members run one by one."""
        with self._group_lock:
            if not group.ended(task, pod, found, well=well):
                return
            words = self._words(*group.failed) if group.failed else ""
            try:
                if not words and group.next_level():
                    return
            except Exception as error:  # noqa: BLE001 - of the workflow's own functions
                words = _of_submission(error)
            if words:
                self._keep(group.group, group.done)
        self._report(SubmittedJobInfo(group.group), words)

    def _keep(self, group: GroupJobExecutorInterface, done: Sequence[Job]) -> None:
        """Keep what members of a group have made that is about to fail because of another."""
        for job in done:
            compat.keep_outputs(job)
        if done:
            rules = ", ".join(dict.fromkeys(job.rule.name for job in done))
            jobs = f"{len(done)} of {len(group.jobs)} jobs"
            self.logger.info(f"Of group {group.groupid}, {jobs} were done ({rules}): their outputs stay.")

    def _report(self, info: SubmittedJobInfo, words: str) -> None:
        """words: why it has failed; nothing when it has not."""
        if not words and self._between.is_for(info.job):
            self._between.fill(info.job, partial(self._end_of_cached, info))
            return
        self._end(info, words)

    def _end(self, info: SubmittedJobInfo, words: str) -> None:
        if self._starts:
            self._starts.announce(_ids(info.job))
        if not words:
            self.report_job_success(info)
            return
        if info.job.is_group():
            self.logger.error(words)  # of a group, Snakemake drops what it is told
        self.report_job_error(info, msg=words)

    def _words(self, task: Task, pod: str, found: Outcome) -> str:
        return found.words(pod, self._record.said(task), self._record.log(task).stem)


def _ids(job: JobExecutorInterface) -> list[int]:
    """Return Snakemake's ids of the jobs of a group, else of the job itself."""
    return [member.jobid for member in members([job])]


def _of_submission(error: Exception) -> str:
    """Return what is told of a job that could not be submitted."""
    return str(error) if isinstance(error, Unmade) else f"Failed: {error}"


def _in_pods(dag: Any) -> list[Job]:
    return [job for job in dag.needrun_jobs() if not job.is_local]
