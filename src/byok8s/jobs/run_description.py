"""What all jobs of a run have in common, as a RunDescription."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from byok8s.jobs.software import honours_conda
from byok8s.worker.description import RunDescription, ShellSettings, Snakefile
from byok8s.worker.values import Encoded, encode
from snakemake_storage_plugin_byok8s.connection import ServerSettings

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

# as it was when Snakemake looked for its plugins, before it has read the Snakefile
ENVIRONMENT: Final[Mapping[str, str]] = dict(os.environ)
# of how S3 is reached, and of Snakemake itself: pods have their own
NOT_SENT: Final = ("AWS_", "BYOK8S_", "SNAKEMAKE_")
SECRET_SETTINGS: Final = frozenset({"access_key", "secret_key", "token"})


def run_description(workflow: Workflow, root: Path) -> RunDescription:
    """Describe a run whose Snakefile has been read. root: the folder that pods rebuild."""
    resources = workflow.resource_settings
    bucket, _, prefix = workflow.storage_settings.default_storage_prefix.removeprefix("s3://").partition("/")
    return RunDescription(
        snakefile=Snakefile(
            path=str(Path(workflow.main_snakefile).absolute()),
            start=os.path.relpath(workflow.overwrite_workdir or workflow.workdir_init, root),
            config=encode(dict(workflow.config_settings.overwrite_config)),
            cores=_cores(workflow),
            nodes=resources.nodes,
        ),
        cwd=os.path.relpath(Path.cwd(), root),
        places=[(str(root), "")],
        environment=_environment(),
        shell=_shell(),
        storage=_storage(workflow),
        bucket=bucket,
        prefix=f"{prefix.rstrip('/')}/" if prefix else "",
        unused_environments=not honours_conda(workflow) and any(rule.conda_env for rule in workflow.rules),
        scripts=any(rule.script or rule.notebook or rule.wrapper for rule in workflow.rules),
    )


def _cores(workflow: Workflow) -> int | None:
    """Return what the Snakefile knows as workflow.cores."""
    from snakemake.exceptions import WorkflowError

    try:
        return int(workflow.cores)
    except WorkflowError:
        return None


def _environment() -> dict[str, tuple[str | None, str]]:
    """What the Snakefile has set."""
    return {
        name: (ENVIRONMENT.get(name), value)
        for name, value in os.environ.items()
        if ENVIRONMENT.get(name) != value and not name.startswith(NOT_SENT)
    }


def _shell() -> ShellSettings:
    from snakemake.shell import shell

    executable = Path(shell.get_executable() or "bash").name
    return ShellSettings(shell._process_prefix, shell._process_suffix, executable)


def _storage(workflow: Workflow) -> dict[str, Encoded]:
    """Return the settings of the storage plugin that pods need and that are no secret and no default."""
    settings = workflow.storage_registry.default_storage_provider.settings
    wanted = [field.name for field in fields(ServerSettings) if field.name not in SECRET_SETTINGS]
    found = {name: getattr(settings, name) for name in wanted}
    return {name: encode(value) for name, value in found.items() if value is not None}
