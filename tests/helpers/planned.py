"""A workflow as Snakemake has planned it, in this process: what byok8s' executor looks at before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake.api import (
    ConfigSettings,
    DAGSettings,
    DeploymentMethod,
    DeploymentSettings,
    OutputSettings,
    ResourceSettings,
    SharedFSUsage,
    SnakemakeApi,
    StorageSettings,
    WorkflowSettings,
)
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from folders import write_files

if TYPE_CHECKING:
    from snakemake.dag import DAG


@contextmanager
def planned(
    folder: Path,
    files: Mapping[str, str],
    *targets: str,
    cores: int = 2,
    methods: frozenset[str] = frozenset(),
    bucket: str | None = None,
    cache: bool = False,
) -> Iterator[DAG]:
    """Have the DAG of a dry run.

    files: of the working folder, with a Snakefile. methods: of software deployment. bucket: with the prefix, as s3://...;
    for byok8s' storage plugin. cache: use the cache between workflows.
    """
    write_files(folder, dict(files))
    with SnakemakeApi(OutputSettings(keep_logger=True)) as api:
        asked = api.workflow(
            resource_settings=ResourceSettings(cores=cores),
            config_settings=ConfigSettings(),
            storage_settings=StorageSettings(
                default_storage_provider="byok8s" if bucket else None,
                default_storage_prefix=bucket,
                shared_fs_usage=SharedFSUsage.all() - {SharedFSUsage.SOFTWARE_DEPLOYMENT},
            ),
            workflow_settings=WorkflowSettings(cache=[] if cache else None),
            deployment_settings=DeploymentSettings(
                deployment_method={DeploymentMethod.parse_choice(method) for method in methods}
            ),
            snakefile=folder / "Snakefile",
            workdir=folder,
        )
        asked.dag(DAGSettings(targets={*targets})).execute_workflow(executor="dryrun")
        dag = asked._workflow.dag
        dag._finished.clear()  # a dry run believes that its jobs have run, and would have run them here
        dag.workflow._executor_plugin = ExecutorPluginRegistry().get_plugin("byok8s")
        yield dag
