"""Storage providers that a workflow's files use, and those that pods do not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from byok8s.errors import InputError
from byok8s.jobs.job_files import files_of

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow
    from snakemake_interface_storage_plugins.storage_object import StorageObjectBase

    class Dag(Protocol):
        """What is asked of Snakemake's DAG."""

        jobs: Iterable[Job]
        workflow: Workflow

        def needrun_jobs(self) -> Iterable[Job]: ...


MODULE = "snakemake_storage_plugin_"
OURS = "byok8s"
MOST_NAMED = 3


@dataclass(frozen=True)
class Provider:
    """A provider as a workflow uses it.

    plugin: its name, as http of snakemake-storage-plugin-http. environment: its settings, as far as variables can give
    them; they may be secret.
    """

    plugin: str
    environment: Mapping[str, str]


def used_providers(dag: Dag) -> dict[str, Provider]:
    """Return the providers of the files of all jobs, by the names that the workflow has for them."""
    names = {id(provider): name for name, provider in _registered(dag.workflow).items()}
    found: dict[str, Provider] = {}
    for job in dag.jobs:
        for _, storage in _storage(job):
            plugin = plugin_of(storage)
            name = names.get(id(storage.provider), plugin)
            if name not in found:
                found[name] = Provider(plugin, _environment(plugin, storage.provider.settings))
    return found


def check(dag: Dag) -> None:
    """Raise InputError if a job that is to run in a pod has files of a provider that pods do not have."""
    default = dag.workflow.storage_registry.default_storage_provider
    wrong: dict[str, list[str]] = {}
    for job in dag.needrun_jobs():
        for kind, storage in () if job.is_local else _storage(job):
            if not (_is_like(storage.provider, default) or (kind == "input" and not storage.retrieve)):
                wrong.setdefault(plugin_of(storage), []).append(
                    f"{kind} {storage.print_query} of rule {job.rule.name}"
                )
    for plugin, files in wrong.items():
        named = list(dict.fromkeys(files))
        raise InputError(
            f"Pods do not have the storage {_words(plugin)}, which the workflow uses.",
            where=f"It is {', '.join(named[:MOST_NAMED])}"
            + (f" and {len(named) - MOST_NAMED} more." if named[MOST_NAMED:] else "."),
            hint=_hint(plugin),
        )


def plugin_of(storage: StorageObjectBase) -> str:
    """Return the name of a file's plugin."""
    module: str = type(storage.provider).__module__
    return module.partition(".")[0].removeprefix(MODULE)


def _is_like(provider: Any, default: Any) -> bool:
    """Tell whether what pods have, the client of the default provider, serves for this one, too."""
    return type(provider) is type(default) and provider.settings == default.settings


def _words(plugin: str) -> str:
    return f"plugin {plugin}" if plugin != OURS else "provider with settings of its own"


def _hint(plugin: str) -> str:
    if plugin == "s3":
        return 'What is in S3 is named storage.byok8s("s3://BUCKET/KEY").'
    if plugin == OURS:
        return "Pods reach one S3 server, with one set of keys: that of the workflow's bucket."
    return "Have a rule among `localrules:`, which runs on this machine, bring the file into the bucket or out of it."


def _storage(job: Job) -> Iterator[tuple[str, StorageObjectBase]]:
    """Return the files of a job that have a provider, with what they are to the rule."""
    for kind, file in files_of(job):
        if storage := file.flags.get("storage_object"):
            yield kind, storage


def _registered(workflow: Workflow) -> Mapping[str, object]:
    """Return all providers by name; those that nobody uses among them."""
    found: Mapping[str, object] = workflow.storage_registry._storages
    return found


def _environment(plugin: str, settings: object) -> Mapping[str, str]:
    from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

    if settings is None:
        return {}
    known = StoragePluginRegistry().get_plugin(plugin)
    # a data class, which only a Snakemake plugin knows more of
    given: Any = settings
    values = {field: getattr(given, field.name) for field in fields(given) if field.metadata.get("env_var")}
    return {
        known.get_envvar(field.name): str(field.metadata.get("unparse", str)(value))
        for field, value in values.items()
        if value is not None
    }
