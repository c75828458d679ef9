"""`snakemake --executor byok8s`: what Snakemake looks for in an executor plugin.

Snakemake imports this at every start, whichever executor is used: nothing heavy is imported here.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

if TYPE_CHECKING:
    from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface
    from snakemake_interface_executor_plugins.workflow import WorkflowExecutorInterface

__all__ = ["Executor", "ExecutorSettings", "common_settings"]


class Executor(RealExecutor):  # type: ignore[misc]
    """Stand for byok8s' executor, which is imported if Snakemake wants one made."""

    def __new__(
        cls, workflow: "WorkflowExecutorInterface", logger: "LoggerExecutorInterface"
    ) -> RealExecutor:
        from byok8s.executor.executor import Executor

        return Executor(workflow, logger)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):  # type: ignore[misc]
    """Flags `--byok8s-…` of Snakemake's command line. The pods' image is Snakemake's `--container-image`.

    Optional, because Snakemake makes the flags' types out of it and knows no `|`.
    """

    namespace: Optional[str] = field(
        default=None,
        metadata={"help": "Namespace of the pods (default: the context's own, else 'default')"},
    )
    context: Optional[str] = field(
        default=None,
        metadata={"help": "Context of the kubeconfig (default: its current one)"},
    )
    pod_template: Optional[str] = field(
        default=None,
        metadata={
            "help": "File of a Pod that is merged under all pods; a rule's own is its resource pod_template"
        },
    )
    pod: Optional[str] = field(
        default=None,
        metadata={
            "help": "What all pods are to have, as in {node_selector: disktype=ssd}; a rule's own are resources"
        },
    )
    no_reuse: bool = field(
        default=False,
        metadata={"help": "Give each job a pod of its own instead of one worker after another"},
    )
    reuse_factor: Optional[float] = field(
        default=None,
        metadata={
            "help": "Let a job use a worker that has up to so many times what it asks for (default: 2)"
        },
    )
    no_credentials: bool = field(
        default=False,
        metadata={"help": "Give pods no copy of this machine's S3 credentials: they have their own"},
    )
    scale_threads: Optional[int] = field(
        default=None,
        metadata={
            "help": "Give rules at most the threads of the largest node that takes their pods, and no more than this"
        },
    )
    oom_retries: Optional[int] = field(
        default=None,
        metadata={"help": "Try a job that ran out of memory again so often, with more of it (default: 0)"},
    )
    oom_factor: Optional[float] = field(
        default=None,
        metadata={"help": "How many times the memory that it had before (default: 1.5)"},
    )
    pending_timeout: Optional[float] = field(
        default=None,
        metadata={"help": "Minutes that a pod may wait for a node before its job fails (default: no end)"},
    )
    channel_alias: Optional[str] = field(
        default=None,
        metadata={"help": "Mirror of https://conda.anaconda.org, for the pods that make conda environments"},
    )
    cache: Optional[str] = field(
        default=None,
        metadata={
            "help": "PersistentVolumeClaim in which workers and runs keep inputs that several jobs take"
        },
    )
    run: Optional[str] = field(
        default=None,
        metadata={"help": "The run's id, in the names and labels of its objects (default: a new one)"},
    )


common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    job_deploy_sources=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    can_transfer_local_files=True,  # the executor itself delivers the sources
)
