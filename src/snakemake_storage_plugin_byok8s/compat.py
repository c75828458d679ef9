"""What of Snakemake has no public name and is needed for plain paths: taken hold of here, and nowhere else.

Each wrapper does nothing where the default storage is not in a workspace. Names and parameters are looked at before
anything is changed: another Snakemake is refused by name.
"""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from functools import cache, wraps
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_storage_plugin_byok8s import watch
from snakemake_storage_plugin_byok8s.missing import all_missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from snakemake_storage_plugin_byok8s.plain import Workspace

MADE_FOR: Final = "9.27"
# what is wrapped or called, and its parameters
_KNOWN: Final = {
    "snakemake.path_modifier:PathModifier.modify": "self path property",
    "snakemake.path_modifier:PathModifier.replace_prefix": "self path property",
    "snakemake.path_modifier:PathModifier.apply_default_storage": "self path",
    "snakemake.rules:Rule.apply_path_modifier": "self item path_modifier property",
    "snakemake.rules:Rule.apply_input_function": (
        "self func wildcards incomplete_checkpoint_func raw_exceptions groupid aux_params"
    ),
    "snakemake.rules:RuleProxy._to_iofile": "self files",
    "snakemake.checkpoints:Checkpoint.get": "self wildcards",
    "snakemake.io:_IOFile.prepare": "self",
    "snakemake.io:_IOFile.retrieve_from_storage": "self",
    "snakemake.io:_IOFile.is_checksum_eligible": "self threshold",
    "snakemake.io:_IOFile.clone_flags": "self other skip_storage_object",
    "snakemake.jobs:Job.register": "self external_jobid",
    "snakemake.jobs:Job.remove_existing_output": "self",
    "snakemake.jobs:Job.cleanup": "self skip_outputs",
    "snakemake.dag:DAG.handle_ensure": "self job expanded_output",
    "snakemake.dag:DAG.rule2job": "self targetrule",
    "snakemake.dag:DAG.file2jobs": "self targetfile wildcards_dict",
    "snakemake.dag:DAG.collect_potential_dependencies": "self job known_producers",
    "snakemake.dag:DAG.update_checkpoint_dependencies": "self jobs",
    "snakemake.dag:DAG.update": "self jobs file visited known_producers progress create_inventory",
}


@cache
def enable() -> None:
    """Put the wrappers in place, once. Raises WorkflowError for a Snakemake that has other names."""
    check(_KNOWN)
    from snakemake.checkpoints import Checkpoint
    from snakemake.dag import DAG
    from snakemake.io import _IOFile
    from snakemake.jobs import Job
    from snakemake.path_modifier import PathModifier
    from snakemake.rules import Rule, RuleProxy

    for owner, name, wrapper in (
        (PathModifier, "modify", _modify),
        (Rule, "apply_path_modifier", _apply_path_modifier),
        (Rule, "apply_input_function", _apply_input_function),
        (RuleProxy, "_to_iofile", _to_iofile),
        (Checkpoint, "get", _get),
        (_IOFile, "prepare", _prepare),
        (_IOFile, "retrieve_from_storage", _retrieve),
        (_IOFile, "is_checksum_eligible", _is_checksum_eligible),
        (Job, "register", _register),
        (Job, "remove_existing_output", _remove_existing_output),
        (Job, "cleanup", _cleanup),
        (DAG, "handle_ensure", _handle_ensure),
        (DAG, "collect_potential_dependencies", _collect_potential_dependencies),
        (DAG, "update", _update),
        (DAG, "update_checkpoint_dependencies", _update_checkpoint_dependencies),
    ):
        setattr(owner, name, wrapper(getattr(owner, name)))


def check(known: dict[str, str]) -> None:
    """Raise WorkflowError unless Snakemake has these functions, with these parameters."""
    for name, parameters in known.items():
        found = _parameters(name)
        if found != parameters:
            raise WorkflowError(
                f"Snakemake {metadata.version('snakemake')} is not one that byok8s can run a workflow with: "
                f"{name.partition(':')[2]} takes ({found}), not ({parameters}). "
                f"This byok8s is for Snakemake {MADE_FOR}."
            )


def _parameters(name: str) -> str | None:
    module, _, path = name.partition(":")
    try:
        __import__("snakemake.api")  # its modules need each other, and this one first
        found: Any = __import__(module, fromlist=["_"])
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return " ".join(inspect.signature(found).parameters)


def scripts(workflow: Any) -> Iterator[str]:
    """Yield the paths of the rules' scripts and notebooks that are files of this machine.

    Which file a wildcard names, only a job knows.
    """
    from snakemake.sourcecache import LocalSourceFile, SourceFile

    for rule in workflow.rules:
        script = rule.script or rule.notebook
        if not script or "{" in str(script):
            continue
        file = (
            rule.basedir.join(script)
            if isinstance(rule.basedir, SourceFile)
            else LocalSourceFile(str(script))
        )
        if isinstance(file, LocalSourceFile):
            yield str(file.get_path_or_uri(secret_free=True))


def _workspace(workflow: Any) -> Workspace | None:
    """Return the workspace of the workflow's default storage."""
    provider = workflow.storage_registry.default_storage_provider
    return getattr(provider, "workspace", None)


def _modify(original: Callable[..., Any]) -> Callable[..., Any]:
    """A path whose local path is the path itself would lose its storage: "nothing has changed", says Snakemake."""
    from snakemake.io import AnnotatedString, flag, is_flagged
    from snakemake.path_modifier import PATH_MODIFIER_FLAG

    @wraps(original)
    def modify(self: Any, path: Any, property: str | None = None) -> Any:  # noqa: A002 - Snakemake's name
        workspace = _workspace(self.workflow)
        if workspace is None or any(
            is_flagged(path, name) for name in ("storage_object", "local", "sourcecache_entry")
        ):
            return original(self, path, property)
        workspace.workflow = self.workflow
        # of rules.x.output: the prefix of its module is there already
        changed = path if is_flagged(path, PATH_MODIFIER_FLAG) else self.replace_prefix(path, property)
        stored = self.apply_default_storage(_inside(changed, workspace))
        if not is_flagged(stored, "storage_object"):
            return original(self, path, property)
        stored = stored if isinstance(stored, AnnotatedString) else AnnotatedString(stored)
        stored.flags.update(getattr(path, "flags", {}))
        if is_flagged(stored, "multiext"):
            value = stored.flags["multiext"]
            value.prefix = self.apply_default_storage(self.replace_prefix(value.prefix, property))
        return flag(stored, PATH_MODIFIER_FLAG)

    return modify


class _Outside(WorkflowError):  # type: ignore[misc]
    """A path that no bucket has."""


def _inside(path: Any, workspace: Workspace) -> Any:
    """Return a path relative to the working folder. Raises _Outside for one that leads out of it."""
    text = os.path.normpath(str(path))
    if not text.startswith(("/", "../")) and text != "..":
        return path
    relative = os.path.relpath(text)
    mirror = workspace.mirror
    if relative.startswith("..") and text.startswith(f"{mirror.of}/"):
        # of the user's folder, as Path(...).resolve() gives it: links of the mirror lead there
        relative = os.path.relpath(f"{mirror.root}/{os.path.relpath(text, mirror.of)}")
    if relative.startswith(".."):
        what = "is an absolute path" if text.startswith("/") else "leads out of the working folder"
        raise _Outside(
            f"{path} {what}, which no bucket has. Name inputs and outputs relative to the working folder; what is on "
            "this machine alone is local(...)."
        )
    return path.new_from(relative) if hasattr(path, "new_from") else relative


def _apply_path_modifier(original: Callable[..., Any]) -> Callable[..., Any]:
    """A rule's own pathvars come before those of the workflow, which is all that the modifier knows."""

    def applied(rule: Any, item: Any) -> Any:
        if not isinstance(item, str) or "<" not in item or rule.pathvars is None or _is_stored(item):
            return item
        text = rule.pathvars.apply(str(item))
        return item.new_from(text) if hasattr(item, "new_from") else text

    @wraps(original)
    def apply_path_modifier(self: Any, item: Any, path_modifier: Any, property: str | None = None) -> Any:  # noqa: A002
        if _workspace(self.workflow):
            if isinstance(item, dict):
                item = {name: applied(self, value) for name, value in item.items()}
            elif isinstance(item, list | tuple):
                item = [applied(self, value) for value in item]
            else:
                item = applied(self, item)
        try:
            return original(self, item, path_modifier, property)
        except _Outside as error:
            raise WorkflowError(str(error), rule=self) from None  # which the modifier does not know

    return apply_path_modifier


def _apply_input_function(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the workflow's looks at files: at home, what jobs have made is there."""

    @wraps(original)
    def apply_input_function(self: Any, *arguments: Any, **named: Any) -> Any:
        with watch.looking():
            return original(self, *arguments, **named)

    return apply_input_function


def _to_iofile(original: Callable[..., Any]) -> Callable[..., Any]:
    """`rules.x.output` is plain, so it can be expanded; it gets its storage where it is used."""
    from snakemake.io import AnnotatedString, IOFile, strip_wildcard_constraints
    from snakemake.iocontainers import Namedlist
    from snakemake.path_modifier import PATH_MODIFIER_FLAG

    @wraps(original)
    def to_iofile(self: Any, files: Any) -> Any:
        def plain(file: Any) -> Any:
            if not _is_plain(file):
                return original(self, Namedlist([file]))[0]
            result = IOFile(AnnotatedString(strip_wildcard_constraints(file)), rule=self.rule)
            result.flags[PATH_MODIFIER_FLAG] = True
            return result

        return Namedlist(files, custom_map=plain)

    return to_iofile


def _get(original: Callable[..., Any]) -> Callable[..., Any]:
    """What input functions look at after checkpoints.x.get() is there for them."""

    @wraps(original)
    def get(self: Any, **wildcards: Any) -> Any:
        job = original(self, **wildcards)
        for file in filter(_is_plain, job.output):
            file.storage_object.provider.workspace.bring(file.storage_object)
        return job

    return get


def _prepare(original: Callable[..., Any]) -> Callable[..., Any]:
    """A job is about to write here, on this machine."""

    @wraps(original)
    def prepare(self: Any) -> None:
        if _is_plain(self):
            self.storage_object.provider.workspace.make_way(self.storage_object)
        original(self)

    return prepare


def _retrieve(original: Callable[..., Any]) -> Callable[..., Any]:
    """A folder is there once one of its files is: that is no reason to leave out the others."""

    @wraps(original)
    async def retrieve_from_storage(self: Any) -> None:
        await original(self)
        if _is_plain(self) and not self.should_not_be_retrieved_from_storage:
            file = self.storage_object
            if file.provider.workspace.is_part(file):
                await file.managed_retrieve()

    return retrieve_from_storage


def _is_checksum_eligible(original: Callable[..., Any]) -> Callable[..., Any]:
    """What a pipe or a service leaves here is not in the bucket, which would be asked for its size.

    Of an input that is in the bucket, or on its way there, only the name may be here: a link to nothing.
    """

    @wraps(original)
    async def is_checksum_eligible(self: Any, threshold: Any) -> bool:
        if _is_plain(self) and not (Path(self).exists() and await self.exists_in_storage()):
            return False
        return bool(await original(self, threshold))

    return is_checksum_eligible


def _register(original: Callable[..., Any]) -> Callable[..., Any]:
    """A job is given to an executor: what is known of the files that it makes holds no longer."""

    @wraps(original)
    def register(self: Any, external_jobid: str | None = None) -> None:
        for file in filter(_is_stored, _made(self)):
            if forget := getattr(file.storage_object.provider, "forget", None):
                forget(file.storage_object)
        original(self, external_jobid)

    return register


def _remove_existing_output(original: Callable[..., Any]) -> Callable[..., Any]:
    """A job on this machine begins: what it updates is not removed, and has to be here; all else of its is not here.

    Snakemake removes what is in the bucket alone, as far as it has a storage.
    """

    @wraps(original)
    async def remove_existing_output(self: Any) -> None:
        await original(self)
        updated = list(_updated(self))
        for file in filter(_is_plain, (*self.output, *self.log)):
            if file not in updated:
                file.storage_object.provider.workspace.remove_local(file.storage_object)
        for file in updated:
            if await file.exists_in_storage():
                await file.retrieve_from_storage()

    return remove_existing_output


def _cleanup(original: Callable[..., Any]) -> Callable[..., Any]:
    """A job that fails stores no output, so what the bucket has of an updated one is its former content: it stays."""

    @wraps(original)
    async def cleanup(self: Any, skip_outputs: Any) -> None:
        updated = list(_updated(self))
        for file in updated:
            if await file.exists_local():
                await file.remove(only_local=True)
        await original(self, [*skip_outputs, *updated])

    return cleanup


def _updated(job: Any) -> Iterator[Any]:
    """Yield the outputs of a job that are update(...), as far as they have plain paths."""
    from snakemake.io import is_flagged

    return (file for file in job.output if is_flagged(file, "update") and _is_plain(file))


def _made(job: Any) -> Iterable[Any]:
    return (*job.output, *job.log, *([job.benchmark] if job.benchmark else []))


def _handle_ensure(original: Callable[..., Any]) -> Callable[..., Any]:
    """What a job has just made is looked at here, not in the bucket, where it is not yet.

    So is whether it is a directory: of what has a storage, Snakemake takes either.
    """
    from snakemake.exceptions import ImproperOutputException
    from snakemake.io import IOFile

    def local(file: Any) -> Any:
        result = IOFile(str(file), file.rule)
        result.clone_flags(file, skip_storage_object=True)
        return result

    @wraps(original)
    async def handle_ensure(self: Any, job: Any, expanded_output: Any) -> None:
        files = [local(file) if _is_plain(file) else file for file in expanded_output]
        for file, given in zip(files, expanded_output, strict=True):
            if _is_plain(given) and Path(file).exists() and Path(file).is_dir() != file.is_directory:
                raise ImproperOutputException(job, [given])
        await original(self, job, files)

    return handle_ensure


def _collect_potential_dependencies(original: Callable[..., Any]) -> Callable[..., Any]:
    """An input that no rule makes may be a file of the user's; what the Snakefile itself has made counts, too."""

    @wraps(original)
    async def collect_potential_dependencies(self: Any, job: Any, known_producers: Any) -> AsyncIterator[Any]:
        async for found in original(self, job, known_producers):
            await _offer(self, found.file, is_source=not found.jobs)
            yield found

    return collect_potential_dependencies


def _update(original: Callable[..., Any]) -> Callable[..., Any]:
    """So may one that no rule can make here, as what the rule needs is missing: Snakemake then takes what is there."""

    @wraps(original)
    async def update(self: Any, jobs: Any, file: Any = None, **others: Any) -> Any:
        try:
            return await original(self, jobs, file=file, **others)
        except Exception:
            # Snakemake's own have no common base; it decides itself which of them ends the planning
            if file is not None:
                await _offer(self, file, is_source=True)
            if others.get("visited") is None:  # of a target, so this one does
                await _note_missing(self)
            raise

    return update


async def _note_missing(dag: Any) -> None:
    """Have whoever says that there is no plan know all that is missing. What else is wrong is another's to say."""
    watching = watch.current()
    if watching and watching.uploads and dag.workflow.is_main_process:
        with suppress(Exception):
            watching.uploads.missing = await all_missing(dag)


def _update_checkpoint_dependencies(original: Callable[..., Any]) -> Callable[..., Any]:
    """What a checkpoint shows to be needed is had in the bucket before the jobs that need it."""

    @wraps(original)
    async def update_checkpoint_dependencies(self: Any, jobs: Any = None) -> Any:
        updated = await original(self, jobs)
        if updated and jobs is not None:
            try:
                give_inputs(self)
            except WorkflowError:
                raise
            except Exception as error:  # of whoever has the say: Snakemake would show its own frames
                raise WorkflowError(str(error)) from error
        return updated

    return update_checkpoint_dependencies


async def _offer(dag: Any, file: Any, *, is_source: bool) -> None:
    if not (dag.workflow.is_main_process and _is_plain(file)):
        return
    cache, stored = dag.workflow.iocache, file.storage_object
    if not stored.provider.workspace.may_offer(stored, is_source=is_source):
        return
    await file.inventory()
    if stored.provider.workspace.offer(stored) and cache.active:
        await stored.inventory(cache)


def give_inputs(dag: Any) -> None:
    """Have in the bucket what the jobs of a plan need of the user's files, before the first of them."""
    if workspace := _workspace(dag.workflow):
        jobs = list(dag.needrun_jobs())
        workspace.give(
            [file.storage_object for job in jobs for file in job.input if _is_plain(file)],
            made_again=[file.storage_object for job in jobs for file in job.output if _is_plain(file)],
        )


def _is_stored(file: Any) -> bool:
    from snakemake.io import is_flagged

    return bool(is_flagged(file, "storage_object"))


def _is_plain(file: Any) -> bool:
    if not _is_stored(file):
        return False
    provider = file.flags["storage_object"].provider
    workspace = getattr(provider, "workspace", None)
    return workspace is not None and workspace.path(file.flags["storage_object"]) is not None
