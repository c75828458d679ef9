"""What is decided of a run once Snakemake has planned it, and before anything is made in the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from byok8s import compat, workspace
from byok8s.bundle import delivery
from byok8s.executor.declared_files import DeclaredFiles
from byok8s.executor.environments import Environments
from byok8s.executor.stored_outputs import StoredOutputs
from byok8s.jobs import keep, providers, software
from byok8s.jobs.between_workflow_cache import BetweenWorkflowCache
from byok8s.jobs.description import Describer
from byok8s.jobs.run_description import run_description
from byok8s.jobs.shapes import Shapes
from byok8s.jobs.shared import Shared
from byok8s.jobs.upstream import Upstream
from byok8s.s3 import Bucket
from byok8s.software.channels import Channels
from byok8s.software.spec import Specs
from byok8s.software.store import Store

if TYPE_CHECKING:
    from logging import Logger

    from snakemake.dag import DAG
    from snakemake.workflow import Workflow

    from byok8s.worker.description import RunDescription


@dataclass(frozen=True)
class Prepared:
    """What a run's jobs have in common.

    environments: None if rules get what the image has. sources: the archive of the workflow's files that pods get.
    """

    run: RunDescription
    files: DeclaredFiles
    outputs: StoredOutputs
    between: BetweenWorkflowCache
    environments: Environments | None
    describer: Describer
    sources: bytes


def prepare(workflow: Workflow, dag: DAG, shapes: Shapes, channel_alias: str, logger: Logger) -> Prepared:
    """Find all that can be wrong with a workflow. Raises WorkflowError or Byok8sError for what pods cannot do."""
    software.check(dag)
    providers.check(dag)
    files = DeclaredFiles(workflow, logger.warning)
    files.check(dag.jobs)
    compat.check()
    root = workspace.root()
    run = run_description(workflow, root)
    provider = workflow.storage_registry.default_storage_provider
    kept = keep.Kept(provider, run.bucket, run.prefix)
    environments = _environments(workflow, shapes, channel_alias, logger)
    describer = Describer(
        run,
        root,
        compat.source_caches(workflow),
        kept,
        Upstream(dag),
        environments.of if environments else lambda _: None,
        Shared(dag).is_shared,
    )
    return Prepared(
        run,
        files,
        StoredOutputs(provider, kept),
        BetweenWorkflowCache(workflow),
        environments,
        describer,
        delivery.sources(dag, logger.warning),
    )


def _environments(
    workflow: Workflow, shapes: Shapes, channel_alias: str, logger: Logger
) -> Environments | None:
    """Return what knows of conda environments, None if rules get what the image has."""
    if not software.honours_conda(workflow):
        return None
    storage = workflow.storage_settings
    provider = workflow.storage_registry.default_storage_provider
    bucket = Bucket.parse(storage.default_storage_prefix, provider.settings.endpoint_url)
    channels = Channels(channel_alias.rstrip("/"))
    return Environments(Specs(workflow), Store(bucket), shapes.of_run(), channels, logger)
