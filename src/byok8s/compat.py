"""What byok8s uses of Snakemake beyond its public interface, on the controller. `check` says when it is not there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from snakemake_interface_common.exceptions import WorkflowError

from byok8s.errors import InputError
from byok8s.worker.machinery import lacking

if TYPE_CHECKING:
    from snakemake.jobs import GroupJob, Job
    from snakemake.rules import Rule
    from snakemake.workflow import Workflow
    from snakemake_interface_logger_plugins.base import LogHandlerBase

# the functions that the code which Snakemake makes of a rule calls, and where each is
CALLS: Final = {
    "shell": "snakemake.shell",
    "script": "snakemake.script",
    "notebook": "snakemake.notebook",
    "wrapper": "snakemake.wrapper",
    "cwl": "snakemake.cwl",
    "render_template": "snakemake.template_rendering",
}
USED: Final = {
    "snakemake.shell": ("shell._process_prefix", "shell._process_suffix", "shell.get_executable"),
    "snakemake.iocontainers": ("Namedlist._plainstrings", "Namedlist._get_names"),
    "snakemake.dag": ("DAG.get_unneeded_temp_files",),
    "snakemake.executors.local": ("Executor.handle_job_error",),
    "snakemake.jobs": (
        "GroupJob.postprocess",
        "GroupJob.restart_times",
        "GroupJob.toposorted",
        "Job.is_shadow",
        "Job.benchmark_repeats",
        "Job.postprocess",
        "Job.reset_params_and_resources",
        "Job.restart_times",
    ),
    "snakemake.script": ("get_source",),
    "snakemake.wrapper": ("get_script",),
    "snakemake.sourcecache": ("SourceCache.runtime_cache_path",),
    "snakemake.common.tbdstring": ("TBDString",),
}


def check() -> None:
    """Raise WorkflowError when this Snakemake lacks something that byok8s uses."""
    if name := lacking(USED) or _lacking_of_each_dag():
        from snakemake import __version__

        raise WorkflowError(
            f"Snakemake {__version__} has no {name}, which byok8s needs: use a version that byok8s names in its "
            "requirements."
        )


def _lacking_of_each_dag() -> str:
    """Return what no DAG is made with that is used; the class itself does not have it."""
    from snakemake.dag import DAG

    return "" if "_running" in DAG.__init__.__code__.co_names else "snakemake.dag.DAG._running"


@dataclass(frozen=True)
class Call:
    """The one call that the code of a rule makes. arguments: by the names of the function's parameters."""

    name: str
    arguments: Mapping[str, Any]


def call_of(rule: Rule, given: Mapping[str, object]) -> Call:
    """Find out what the code of a rule other than run: calls, with what. given: what Snakemake gives to that code.

    The code is that of the rule's own module, with its own names; what is called is replaced in a copy, so nothing
    runs, and nobody else sees it. Raises whatever the code raises, as for a name that is not defined.
    """
    found: list[Call] = []

    def recorder(name: str) -> Callable[..., None]:
        def record(*arguments: object, **named: object) -> None:
            function = getattr(__import__(CALLS[name], fromlist=[name]), name)
            found.append(Call(name, _signature(function).bind(*arguments, **named).arguments))

        return record

    def shell(cmd: str, *arguments: object, bench_record: object = None, **named: object) -> None:  # noqa: ARG001
        from snakemake.utils import format as formatted

        # from two frames up, as for Snakemake's own shell(): the names are those of the rule's code
        found.append(Call("shell", {"cmd": formatted(cmd, *arguments, stepout=2, **named)}))

    code = rule.run_func
    instead = {**{name: recorder(name) for name in CALLS}, "shell": shell}
    copy = FunctionType(
        code.__code__, {**code.__globals__, **instead}, code.__name__, code.__defaults__, code.__closure__
    )
    wanted = _signature(code).parameters.values()
    copy(*(given.get(of.name) for of in wanted if of.default is inspect.Parameter.empty))
    (call,) = found
    return call


def logger_plugins(workflow: Workflow) -> list[LogHandlerBase]:
    """Return the logger plugins that the user has asked for."""
    found: list[LogHandlerBase] = workflow.logger_manager.plugin_handlers
    return found


@lru_cache(maxsize=1000)  # many jobs have the code of one rule
def _signature(function: Callable[..., object]) -> inspect.Signature:
    return inspect.signature(function)


@dataclass(frozen=True)
class Source:
    """A script's text. folder, name: where it is from; local when that is a folder of this machine's."""

    folder: str
    name: str
    text: str
    local: bool


class Wrappers:
    """The scripts of a run's wrappers: each is looked for once, as that may ask a server."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None], Any] = {}

    def script(self, workflow: Workflow, wrapper: str, prefix: str | None) -> Any:
        """Return Snakemake's word for where a wrapper's script is. Raises InputError if there is none."""
        from snakemake.wrapper import get_script

        if (wrapper, prefix) not in self._found:
            self._found[wrapper, prefix] = get_script(wrapper, workflow.sourcecache, prefix=prefix)
        found = self._found[wrapper, prefix]
        if isinstance(found, dict):
            raise InputError(
                f"The wrapper {wrapper} cannot be had.",
                where="\n".join(f"{name}: {why}" for name, why in found.items()),
                hint="Check its name, and the prefix of wrappers if you give one: -- --wrapper-prefix ADDRESS",
            )
        return found


def source_of(call: Call, job: Job, wrappers: Wrappers) -> Source:
    """Read the script, notebook or wrapper of a call, from a file, a repository or the network."""
    from snakemake.script import get_source

    workflow = job.rule.workflow
    path, basedir = call.arguments["path"], call.arguments.get("basedir")
    if call.name == "wrapper":
        path = wrappers.script(workflow, path, call.arguments["prefix"])
    if isinstance(path, Path):
        path = str(path)
    file, text, _, is_local, _ = get_source(path, workflow.sourcecache, basedir, job.wildcards, job.params)
    folder = file.get_basedir().get_path_or_uri(secret_free=True)
    return Source(str(folder), str(file.get_filename()), text, local=is_local)


def source_caches(workflow: Workflow) -> list[str]:
    """The folders in which Snakemake keeps what source_path() gives the paths of."""
    return [str(workflow.sourcecache.runtime_cache_path), str(workflow.sourcecache.cache_path)]


def runs_here(job: Job) -> bool:
    """Return whether a job is one for this machine, in a run on a cluster; also while that is only planned."""
    workflow = job.rule.workflow
    if not workflow.local_exec:
        return bool(job.is_local)
    return job.rule.group is None and job.rule.name in workflow._localrules


def evaluate_again(job: Job, *, once_more: bool = False) -> None:
    """Forget what a job's params and resources were found to be.

    once_more: Snakemake, which does so itself once, when the job's inputs are there, still may.
    """
    job._params_and_resources_resetted = False
    job.reset_params_and_resources()
    if once_more:
        job._params_and_resources_resetted = False


def levels_of(group: GroupJob) -> list[list[Job]]:
    """The members of a group, each level after the one before it."""
    return [sorted(level, key=lambda job: job.jobid) for level in group.toposorted]


def count_as_waiting(job: Job | GroupJob) -> None:
    """Have Snakemake count a job that has just failed as waiting, not as running, if there is another try of it.

    Without that, a checkpoint that ends meanwhile leaves the job out for good: the run ends without it, and with
    --keep-going is said to be complete.
    """
    if job.restart_times > job.attempt - 1:  # as Snakemake then looks at it itself
        job.dag._running.discard(job)


def keep_outputs(member: Job) -> None:
    """Have Snakemake take this member of a group that is about to fail for one that has ended well.

    For one failure: Snakemake deletes the outputs of all members, and another try may fail in this one.
    """

    async def postprocess(**options: Any) -> None:
        del member.postprocess
        await member.postprocess(**options | {"error": False})

    member.postprocess = postprocess


def globals_of(function: Callable[..., Any]) -> Iterator[tuple[str, object]]:
    """The Snakefile's variables that a function uses, also through other functions of the Snakefile's.

    Without modules, classes and functions, which the Snakefile makes in each process.
    """
    seen: set[str] = set()
    pending = [function.__code__]
    variables = function.__globals__
    while pending:
        code = pending.pop()
        pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for name in code.co_names:
            if name in seen or name not in variables:
                continue
            seen.add(name)
            value = variables[name]
            if isinstance(value, FunctionType):
                if value.__globals__ is variables:
                    pending.append(value.__code__)
            elif not (isinstance(value, ModuleType | type) or _is_snakemakes(value)):
                yield name, value


def _is_snakemakes(value: object) -> bool:
    return (type(value).__module__ or "").partition(".")[0] == "snakemake" or callable(value)
