"""Snakemake's executor: a job in, a pod out; a pod's end in, a finished job out.

It is driven by one watch and keeps its own book of jobs. Snakemake's RemoteExecutor polls instead, and
forgets its jobs while it does.
"""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import ExecMode
from snakemake_interface_executor_plugins.utils import format_cli_arg, join_cli_args

from byok8s.errors import BucketError, Byok8sError
from byok8s.executor import delivery, manifest
from byok8s.executor.cluster import ClusterRun, Contents
from byok8s.executor.manifest import JobSpec, PodSettings, Resources
from byok8s.executor.names import Names, new_run_id
from byok8s.executor.outcome import GONE, Outcome, State, outcome
from byok8s.kube import Object, Watch, connect
from byok8s.kube.json import text

if TYPE_CHECKING:
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

COLLECTORS = 4  # threads that see to ended pods, so that the watch never waits for a request
SHOWN_LINES = 15


class Executor(RealExecutor):  # type: ignore[misc]
    """Runs each job in a pod of its own."""

    def __post_init__(self) -> None:
        if self.workflow.storage_settings.default_storage_provider is None:
            raise WorkflowError(
                "Jobs of the byok8s executor have no disk in common with this machine: name a bucket for "
                "their files with --default-storage-provider byok8s --default-storage-prefix s3://BUCKET/PREFIX."
            )
        self._names = Names(self.executor_settings.run or new_run_id())
        self._lock = threading.Lock()
        self._jobs: dict[str, SubmittedJobInfo] = {}  # by pod name: those under way
        self._told: dict[str, str] = {}  # by pod name: why it waits, as last said to the user
        self._collectors = ThreadPoolExecutor(COLLECTORS, thread_name_prefix="collect")
        self._cluster: ClusterRun | None = None
        self._watch: Watch | None = None
        try:
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
            cluster = self._cluster or self._start()
        except Byok8sError as error:
            raise WorkflowError(str(error)) from error
        for job in jobs:
            self.run_job_pre(job)
            self._submit(cluster, job)

    def run_job(self, job: JobExecutorInterface) -> None:
        self.run_jobs([job])

    def shutdown(self) -> None:
        """Snakemake has no more jobs for us. Removes everything of the run from the cluster."""
        if self._watch:
            self._watch.stop()
        self._collectors.shutdown()
        cluster, self._cluster = self._cluster, None
        if cluster is None:
            return
        try:
            if self._jobs:
                cluster.end_pods()
            cluster.remove()
        except Byok8sError as error:
            self.logger.error(
                f"Not everything of run {self._names.run} could be removed from the cluster: {error} "
                f"Remove it with: kubectl delete job {self._names.owner} -n {self._namespace}"
            )

    def cancel(self) -> None:
        """The user has interrupted, or Snakemake has failed: nobody waits for the jobs any more."""
        if self._cluster and self._jobs:
            self.logger.info(f"Ending {len(self._jobs)} pods.")
        self.shutdown()

    def print_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: object) -> None:
        super().print_job_error(job_info, msg, **{"external_jobid": job_info.external_jobid, **kwargs})

    # -- towards the cluster --

    @cached_property
    def _namespace(self) -> str:
        client = connect(self.executor_settings.context)
        return str(self.executor_settings.namespace or client.context.namespace or "default")

    def _start(self) -> ClusterRun:
        client = connect(self.executor_settings.context)
        shares = delivery.config_maps(
            delivery.worker_files(), {"sources": self._sources, "libraries": delivery.libraries()}
        )
        secret = dict(self.envvars())
        settings = PodSettings(
            image=self.workflow.remote_execution_settings.container_image,
            config_maps=len(shares),
            environment=_environment(),
            secret_variables=sorted(secret),
        )
        cluster = ClusterRun(client, self._namespace, self._names, settings)
        self._cluster = cluster
        self._watch = Watch(
            client,
            cluster.pods,
            self._names.selector,
            on_change=self._on_change,
            on_delete=self._on_delete,
            on_lost=lambda words: self.logger.warning(
                f"Lost the Kubernetes API ({words}). The jobs go on; waiting for it to come back."
            ),
            on_found=lambda: self.logger.info("The Kubernetes API is back."),
            on_crash=self.workflow.scheduler.executor_error_callback,
        )
        self._watch.start()
        cluster.create(Contents(secret | _credentials_file(), shares), self._annotations())
        return cluster

    def _annotations(self) -> Mapping[str, str]:
        """For operators who wonder whose pods these are."""
        return {
            "byok8s.io/snakefile": self.get_snakefile(),
            "byok8s.io/controller": f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}",
        }

    def _submit(self, cluster: ClusterRun, job: JobExecutorInterface) -> None:
        spec = JobSpec(
            rule=job.name,
            jobid=str(job.jobid)[:8],  # a number, or the long random name of a group
            attempt=job.attempt,
            arguments=self._worker_arguments(job),
            resources=_resources(job),
        )
        info = SubmittedJobInfo(job, external_jobid=cluster.pod_name(spec))
        with self._lock:
            self._jobs[info.external_jobid] = info
        self.report_job_submission(info)
        try:
            cluster.submit(spec)
        except Byok8sError as error:
            with self._lock:
                self._jobs.pop(info.external_jobid)
            self.report_job_error(info, msg=f"The cluster does not take its pod. {error}")

    def _worker_arguments(self, job: JobExecutorInterface) -> tuple[str, ...]:
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
        precommand = self.workflow.remote_execution_settings.precommand
        ours = ["--precommand", precommand] if precommand else []
        return (*ours, "--", *shlex.split(arguments))

    # -- from the cluster; called from the watch's thread --

    def _on_change(self, pod: Object) -> None:
        name, found = text(pod, "metadata", "name"), outcome(pod)
        if found.ended:
            self._ended(name, found)
        elif found.why and self._told.get(name) != found.why:
            self._told[name] = found.why
            self.logger.info(f"{name} waits: {found.why}")

    def _on_delete(self, name: str) -> None:
        self._ended(name, GONE)

    def _ended(self, name: str, found: Outcome) -> None:
        with self._lock:
            info = self._jobs.pop(name, None)
        self._told.pop(name, None)
        if info and self._cluster:
            self._collectors.submit(self._collect, self._cluster, info, found)

    def _collect(self, cluster: ClusterRun, info: SubmittedJobInfo, found: Outcome) -> None:
        try:
            self._report(cluster, info, found)
        except Exception as error:  # noqa: BLE001 - a job that is not reported would be waited for without end
            self.workflow.scheduler.executor_error_callback(error)

    def _report(self, cluster: ClusterRun, info: SubmittedJobInfo, found: Outcome) -> None:
        """Tell Snakemake of an ended job, then remove its pod."""
        if found.state is State.SUCCEEDED:
            self.report_job_success(info)
        else:
            log = self._keep_log(cluster, info.external_jobid) if found.has_log else None
            self.report_job_error(info, msg=_failure(found, info.external_jobid, log))
        if found is not GONE:
            try:
                cluster.delete_pod(info.external_jobid)
            except Byok8sError as error:
                self.logger.warning(f"Pod {info.external_jobid} is left until the run's end: {error}")

    def _keep_log(self, cluster: ClusterRun, pod: str) -> Path | None:
        path = Path(".byok8s", "runs", self._names.run, "logs", f"{pod}.log")
        try:
            log = cluster.log(pod)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(log)
        except (Byok8sError, OSError) as error:
            self.logger.warning(f"The log of {pod} cannot be kept: {error}")
            return None
        return path


def _failure(found: Outcome, pod: str, log: Path | None) -> str:
    where = f"pod {pod}" + (f" on node {found.node}" if found.node else "")
    words = [f"Failed: {found.why} ({where})."]
    if found.last_lines:
        lines = found.last_lines.splitlines()[-SHOWN_LINES:]
        words += ["Last lines of its log:", *(f"    {line}" for line in lines)]
    if log:
        words.append(f"The whole log: {log}")
    return "\n".join(words)


def _cores(job: JobExecutorInterface) -> int:
    return max(1, int(job.resources.get("_cores", 1)))


def _resources(job: JobExecutorInterface) -> Resources:
    def number(name: str) -> int | None:
        value = job.resources.get(name)
        return value if isinstance(value, int) else None

    return Resources(_cores(job), number("mem_mb"), number("disk_mb"), number("runtime"))


def _environment() -> Mapping[str, str]:
    """What pods know of this machine's environment: how to reach S3, and nothing else."""
    passed_on: Sequence[str] = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")
    return {
        "HOME": f"{manifest.WORK}/home",
        "USER": "byok8s",  # images know no user of the pod's number, and Python's getpass asks
        "BYOK8S_WORK": manifest.WORK,
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_SHARED_CREDENTIALS_FILE": f"{manifest.MOUNT}/{manifest.CREDENTIALS_FILE}",
        **{name: os.environ[name] for name in passed_on if name in os.environ},
    }


def _credentials_file() -> dict[str, str]:
    """This machine's S3 credentials in AWS' own form. Where there are none, pods may have their own."""
    from byok8s import s3

    try:
        found = s3.credentials()
    except BucketError:
        return {}
    lines = [
        "[default]",
        f"aws_access_key_id = {found.access_key}",
        f"aws_secret_access_key = {found.secret_key}",
    ]
    if found.token:
        lines.append(f"aws_session_token = {found.token}")
    return {manifest.CREDENTIALS_FILE: "\n".join(lines) + "\n"}
