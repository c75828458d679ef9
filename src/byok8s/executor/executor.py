"""Snakemake's executor: a job in, a pod out; a pod's end in, a finished job out.

It is driven by one watch and keeps its own book of jobs. Snakemake's RemoteExecutor polls instead, and
forgets its jobs while it does.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import ExecMode
from snakemake_interface_executor_plugins.utils import format_cli_arg, join_cli_args

from byok8s.errors import Byok8sError
from byok8s.executor import delivery, surroundings, template
from byok8s.executor.cluster import ClusterRun, Contents
from byok8s.executor.manifest import PodSettings, Shape, Task, worker_plan
from byok8s.executor.names import Names, new_run_id
from byok8s.executor.outcome import Outcome, State, outcome
from byok8s.executor.placement import Logs, Placement
from byok8s.executor.pool import Pool
from byok8s.executor.single import SinglePods
from byok8s.kube import KubeClient, Object, Watch, connect
from byok8s.kube.access import allowed
from byok8s.kube.json import text

if TYPE_CHECKING:
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

# WebSockets are opened with GET; Kubernetes 1.35 asks for create as well
STREAM_VERBS = ("get", "create")


class Executor(RealExecutor):  # type: ignore[misc]
    """What Snakemake sees. Where a job runs is its placement's business."""

    def __post_init__(self) -> None:
        if self.workflow.storage_settings.default_storage_provider is None:
            raise WorkflowError(
                "Jobs of the byok8s executor have no disk in common with this machine: name a bucket for "
                "their files with --default-storage-provider byok8s --default-storage-prefix s3://BUCKET/PREFIX."
            )
        self._names = Names(self.executor_settings.run or new_run_id())
        self._logs = Logs(self._names.run)
        self._lock = threading.Lock()
        self._jobs: dict[str, SubmittedJobInfo] = {}  # by task id: those under way
        self._told = ""  # why a pod waits, as last said to the user
        self._any_ran = False
        self._cluster: ClusterRun | None = None
        self._watch: Watch | None = None
        try:
            self._template = self._load_template(self.executor_settings.pod_template)
            if self._template and len(self.dag):
                self._try_template()
            # packed before the first job, so that a source that cannot be delivered is a fault of the plan
            self._sources = delivery.sources(self.dag) if len(self.dag) else b""
        except Byok8sError as error:
            raise WorkflowError(str(error)) from error

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
        try:
            if self._cluster is None:
                self._start()
            for job in jobs:
                self.run_job_pre(job)
                self._submit(job)
        except Byok8sError as error:
            raise WorkflowError(str(error)) from error

    def run_job(self, job: JobExecutorInterface) -> None:
        self.run_jobs([job])

    def shutdown(self) -> None:
        """Snakemake has no more jobs for us, or none that it waits for. Removes everything of the run."""
        cluster, self._cluster = self._cluster, None
        if cluster is None:
            return
        try:
            with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C: do not wait, but do clean up
                self._end(cluster)
            with _undisturbed():
                cluster.remove()
        except Byok8sError as error:
            self.logger.error(
                f"Not everything of run {self._names.run} could be removed from the cluster: {error} "
                f"Remove it with: kubectl delete job {self._names.owner} -n {self._namespace}"
            )

    def cancel(self) -> None:
        """The user has interrupted, or Snakemake has failed."""
        self.shutdown()

    def _end(self, cluster: ClusterRun) -> None:
        if self._jobs:
            self.logger.info(f"Ending {len(self._jobs)} jobs.")
        if self._watch:
            self._watch.stop()
        self._placement.close()
        if self._jobs:
            cluster.end_pods()

    def print_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: object) -> None:
        super().print_job_error(job_info, msg, **{"external_jobid": job_info.external_jobid, **kwargs})

    # -- towards the cluster --

    @cached_property
    def _namespace(self) -> str:
        client = connect(self.executor_settings.context)
        return str(self.executor_settings.namespace or client.context.namespace or "default")

    def _start(self) -> None:
        client = connect(self.executor_settings.context)
        shares = delivery.config_maps(
            delivery.worker_files(), {"sources": self._sources, "libraries": delivery.libraries()}
        )
        secret = dict(self.envvars())
        settings = PodSettings(
            image=self.workflow.remote_execution_settings.container_image,
            config_maps=len(shares),
            environment=surroundings.environment(),
            secret_variables=sorted(secret),
        )
        cluster = ClusterRun(client, self._namespace, self._names, settings)
        self._placement = self._choose_placement(client, cluster)
        self._cluster = cluster
        self._watch = Watch(
            client,
            cluster.pods,
            self._names.selector,
            on_change=self._on_change,
            on_delete=self._placement.pod_deleted,
            on_lost=lambda words: self.logger.warning(
                f"Lost the Kubernetes API ({words}). The jobs go on; waiting for it to come back."
            ),
            on_found=lambda: self.logger.info("The Kubernetes API is back."),
            on_crash=self.workflow.scheduler.executor_error_callback,
        )
        self._watch.start()
        cluster.create(Contents(secret | surroundings.credentials_file(), shares), self._annotations())

    def _choose_placement(self, client: KubeClient, cluster: ClusterRun) -> Placement:
        reuse = not self.executor_settings.no_reuse
        if reuse and all(allowed(client, self._namespace, verb, "pods/exec") for verb in STREAM_VERBS):
            return Pool(
                cluster, self._logs, self._on_end, self.workflow.resource_settings.nodes or sys.maxsize
            )
        if reuse:
            self.logger.info(
                "Streams to pods (pods/exec) are not allowed here: each job gets a pod of its own."
            )
        return SinglePods(cluster, self._logs, self._on_end)

    def _annotations(self) -> Mapping[str, str]:
        """For operators who wonder whose pods these are."""
        return {
            "byok8s.io/snakefile": self.get_snakefile(),
            "byok8s.io/controller": f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}",
        }

    def _try_template(self) -> None:
        settings = PodSettings(self.workflow.remote_execution_settings.container_image, 0, {}, ())
        cluster = ClusterRun(connect(self.executor_settings.context), self._namespace, self._names, settings)
        cluster.try_pod(worker_plan(self._names, Shape(1, template=self._template), 0))

    def _load_template(self, path: str | None) -> str:
        return template.load(Path(path)) if path else ""

    def _shape(self, job: JobExecutorInterface) -> Shape:
        path = job.resources.get("pod_template")
        of_rule = self._load_template(path) if isinstance(path, str) else ""
        joined = template.join(of_rule, self._template)
        return Shape(_cores(job), _number(job, "mem_mb"), _number(job, "disk_mb"), joined)

    def _submit(self, job: JobExecutorInterface) -> None:
        task = Task(
            # a number, or the long random name of a group
            id=str(job.jobid)[:8] + (f"-{job.attempt}" if job.attempt > 1 else ""),
            rule=job.name,
            shape=self._shape(job),
            arguments=self._snakemake_arguments(job),
            precommand=self.workflow.remote_execution_settings.precommand or "",
            runtime=_number(job, "runtime"),
        )
        info = SubmittedJobInfo(job, external_jobid=task.id)
        with self._lock:
            self._jobs[task.id] = info
        self.report_job_submission(info)
        self._placement.submit(task)

    def _snakemake_arguments(self, job: JobExecutorInterface) -> tuple[str, ...]:
        arguments = join_cli_args(
            [
                format_cli_arg("--snakefile", self.get_snakefile()),
                self.get_job_args(job, cores=_cores(job)),
                self.workflow.spawned_job_args_factory.general_args(
                    executor_common_settings=self.common_settings
                ),
                "--quiet progress rules host",
                format_cli_arg("--mode", self.get_exec_mode().item_to_choice()),
            ]
        )
        return tuple(shlex.split(arguments))

    # -- from the cluster, in other threads --

    def _on_change(self, pod: Object) -> None:
        name, found = text(pod, "metadata", "name"), outcome(pod)
        self._tell_of_waiting(name, found)
        self._placement.pod_changed(name, found)

    def _tell_of_waiting(self, name: str, found: Outcome) -> None:
        """A pod that waits is worth a word while none runs; beside others it is the cluster being full."""
        if found.state is State.RUNNING:
            self._any_ran = True
        elif found.state is State.WAITING and found.why and found.why != self._told and not self._any_ran:
            self._told = found.why
            self.logger.info(f"{name} waits: {found.why}")

    def _on_end(self, task: Task, pod: str, found: Outcome) -> None:
        with self._lock:
            info = self._jobs.pop(task.id, None)
        if info is None:
            return
        try:
            if found.state is State.SUCCEEDED:
                self.report_job_success(info)
            else:
                log = self._logs.path(task)
                self.report_job_error(info, msg=found.words(pod, log if log.exists() else None))
        except Exception as error:  # noqa: BLE001 - a job that is not reported would be waited for without end
            self.workflow.scheduler.executor_error_callback(error)


def _cores(job: JobExecutorInterface) -> int:
    return max(1, int(job.resources.get("_cores", 1)))


def _number(job: JobExecutorInterface, resource: str) -> int | None:
    value = job.resources.get(resource)
    return value if isinstance(value, int) else None


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C does nothing for a while; only the main thread can have it so, and only it is interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
