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
    SnakemakeApi,
    StorageSettings,
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
) -> Iterator[DAG]:
    """The DAG of a dry run. files: of the working folder, with a Snakefile. methods: of software deployment."""
    write_files(folder, dict(files))
    with SnakemakeApi(OutputSettings(keep_logger=True)) as api:
        asked = api.workflow(
            resource_settings=ResourceSettings(cores=cores),
            config_settings=ConfigSettings(),
            storage_settings=StorageSettings(),
            deployment_settings=DeploymentSettings(
                deployment_method={DeploymentMethod(method) for method in methods}
            ),
            snakefile=folder / "Snakefile",
            workdir=folder,
        )
        dag_api = asked.dag(DAGSettings(targets={*targets}))
        dag_api.execute_workflow(executor="dryrun")
        dag = asked._workflow.dag
        dag._finished.clear()  # a dry run believes that its jobs have run, and would have run them here
        dag.workflow._executor_plugin = ExecutorPluginRegistry().get_plugin("byok8s")
        yield dag
