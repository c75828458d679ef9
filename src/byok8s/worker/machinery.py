"""Snakemake's own parts, called with the values of a description. All that pods need of its private names is here.

The names are those of Snakemake 9. A function of another version that takes other arguments is refused by name,
because it might do something else with these.
"""

from __future__ import annotations

import hashlib
import inspect
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from byok8s.worker import conda, tool
from byok8s.worker.description import Action, Member, RunDescription, ShellSettings
from byok8s.worker.path_mapping import PathMapping
from byok8s.worker.values import Encoded, Relocate, decode, decode_named

SCRATCH: Final = Path(".snakemake")
INCLUDED: Final = ".snakemake/included"  # within the root: what the Snakefile includes by an address
# what each of Snakemake's functions is given; anything that one takes beyond it must have a default
_VALUES: Final = (
    *("input", "output", "params", "wildcards", "threads", "resources", "log", "config", "rulename"),
    *("conda_env", "conda_base_path", "container_img", "singularity_args", "env_modules", "bench_record"),
    *(
        "jobid",
        "bench_iteration",
        "cleanup_scripts",
        "shadow_dir",
        "sourcecache_path",
        "runtime_sourcecache_path",
    ),
)

USED: Final = {
    "snakemake.shell": (
        "shell._process_prefix",
        "shell._process_suffix",
        "shell.executable",
        "shell.terminate",
    ),
    "snakemake.script": ("script",),
    "snakemake.iocontainers": (
        *("InputFiles", "OutputFiles", "Log", "Params", "Wildcards", "ResourceList", "Namedlist._take_names"),
    ),
    "snakemake.sourcecache": ("SourceCache._do_cache",),
    "snakemake.deployment.conda": ("Conda.instances", "Conda.is_initialized", "Conda.shellcmd"),
    "snakemake.deployment.singularity": (
        "Singularity.check",
        "shellcmd",
        "get_snakemake_searchpath_mountpoints",
    ),
    "snakemake.benchmark": ("BenchmarkRecord", "benchmarked", "write_benchmark_records"),
}


class WrongSnakemake(Exception):
    """The Snakemake of this image cannot be called as this version of byok8s calls it."""


class Values(dict[str, Any]):
    """What a rule's function is given, by the names of its parameters."""


def lacking(used: Mapping[str, Sequence[str]]) -> str:
    """Return the first name that this Snakemake does not have; nothing when it has all. used: names by module."""
    for module, names in used.items():
        for name in names:
            try:
                attrgetter(name)(import_module(module))
            except (ImportError, AttributeError):
                return f"{module}.{name}"
    return ""


def check() -> None:
    """Raise WrongSnakemake when this Snakemake lacks something that is used here."""
    if name := lacking(USED):
        from snakemake import __version__

        raise WrongSnakemake(f"Snakemake {__version__}, which is in this image, has no {name}")


def values(member: Member, relocate: Relocate) -> Values:
    """Make Snakemake's own objects of a member's values."""
    from snakemake import iocontainers

    classes = {
        "input": iocontainers.InputFiles,
        "output": iocontainers.OutputFiles,
        "log": iocontainers.Log,
        "params": iocontainers.Params,
        "wildcards": iocontainers.Wildcards,
        "resources": iocontainers.ResourceList,
    }
    empty: dict[str, Encoded] = {"items": [], "names": []}
    found = Values(
        {
            name: decode_named(_named(member.values.get(name, empty)), cls, relocate)
            for name, cls in classes.items()
        }
    )
    found["config"] = decode(member.values.get("config"), relocate)
    found["threads"], found["jobid"] = member.threads, member.jobid
    found["rule"] = found["rulename"] = member.rule
    if member.environment:
        conda.use_base(member.image)
        found["conda_env"] = str(conda.prefix_of(member.environment.name))
        found["conda_base_path"] = str(conda.BASE)
    if member.image:
        _use_tool(member)
        found["container_img"] = member.image
    return found


def _use_tool(member: Member) -> None:
    """Have Snakemake hand over to the container of the rule's own image what it would run by Apptainer."""
    from snakemake.deployment.singularity import Singularity

    Singularity().binary = tool.command()
    if member.action.kind in {"script", "notebook"}:
        tool.bring_packages()


def _named(value: Encoded) -> Mapping[str, Encoded]:
    assert isinstance(value, dict)
    return value


def set_up_shell(settings: ShellSettings, relocate: Relocate) -> None:
    """Do with all shell commands as the Snakefile has said."""
    from snakemake.shell import shell

    shell._process_prefix = settings.prefix if settings.prefix is None else relocate(settings.prefix)
    shell._process_suffix = relocate(settings.suffix)
    shell.executable(settings.executable)


def stop_shell(jobid: int) -> None:
    """End the command that `shell` runs for a job, when there is one."""
    from snakemake.shell import shell

    shell.terminate(jobid)


def act(action: Action, given: Values, places: PathMapping, iteration: int | None, record: Any) -> None:
    """Make the one call of a rule that is no function. Raises what Snakemake's function raises, and WrongSnakemake.

    record: Snakemake's BenchmarkRecord, or None.
    """
    if action.kind == "shell":
        action = replace(action, text=places.relocate(action.text))
    action = replace(action, path=str(places.root / action.path))
    given = Values(given, bench_record=record, bench_iteration=iteration)
    _ACTIONS[action.kind](action, given)


def _shell(action: Action, given: Values) -> None:
    from snakemake.shell import shell

    shell(
        "{byok8s_command}",  # it is formatted already, and must not be again
        byok8s_command=action.text,
        bench_record=given["bench_record"],
        jobid=given["jobid"],
        is_shell=True,
        threads=given["threads"],
        resources=given["resources"],
        conda_env=given.get("conda_env"),
        conda_base_path=given.get("conda_base_path"),
        container_img=given.get("container_img"),
    )


def _script(action: Action, given: Values) -> None:
    from snakemake.script import script

    _call(script, given, path=_laid(action), basedir=None, runtime_paths=[])


def _notebook(action: Action, given: Values) -> None:
    from snakemake.notebook import notebook

    _call(notebook, given, path=_laid(action), basedir=None, edit=None, local_storage_prefix=None)


def _cwl(action: Action, given: Values) -> None:
    from snakemake.cwl import cwl

    _call(cwl, given, path=action.path, basedir=None, use_singularity=False, local_storage_prefix=None)


def _template(action: Action, given: Values) -> None:
    from snakemake.template_rendering import render_template

    names = ("input", "output", "params", "wildcards", "config", "rule")
    render_template(action.text, *(given[name] for name in names))


def _nothing(_: Action, __: Values) -> None:
    """A rule without anything to run: its inputs are all that it wants."""


_ACTIONS: Final[Mapping[str, Callable[[Action, Values], None]]] = {
    "shell": _shell,
    "script": _script,
    "notebook": _notebook,
    "cwl": _cwl,
    "render_template": _template,
    "nothing": _nothing,
}


def _call(function: Callable[..., None], given: Values, **more: object) -> None:
    """Call a function of Snakemake's by the names of its parameters."""
    standard = {
        "conda_env": given.get("conda_env"),
        "conda_base_path": given.get("conda_base_path"),
        "container_img": given.get("container_img"),
        "singularity_args": "",
        "env_modules": None,
        "cleanup_scripts": True,
        "shadow_dir": None,
        "sourcecache_path": _scratch("source-cache"),
        "runtime_sourcecache_path": _scratch("runtime-cache"),
    }
    known = {**{name: given[name] for name in _VALUES if name in given}, **standard, **more}
    parameters = inspect.signature(function).parameters
    unknown = [
        name for name, of in parameters.items() if name not in known and of.default is inspect.Parameter.empty
    ]
    if unknown:
        from snakemake import __version__

        raise WrongSnakemake(
            f"{function.__module__}.{function.__name__}() of Snakemake {__version__}, which is in this image, wants "
            f"{', '.join(unknown)}, which byok8s does not know"
        )
    function(**{name: value for name, value in known.items() if name in parameters})


def _scratch(name: str) -> Path:
    folder = SCRATCH / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


def _laid(action: Action) -> str:
    """Put a script's source where it was on the controller, within the root. Return its absolute path."""
    path = Path(action.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != action.text:
        path.write_text(action.text, encoding="utf-8")
    return action.path


# -- run: --


def parse(run: RunDescription, relocate: Relocate) -> Any:
    """Read the Snakefile as the controller has, without storage and DAG. Return Snakemake's workflow.

    Raises whatever the Snakefile raises.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

    snakefile = run.snakefile
    api = SnakemakeApi(OutputSettings(quiet={Quietness.ALL})).__enter__()  # its end would be the workflow's
    return api.workflow(
        resource_settings=ResourceSettings(cores=snakefile.cores, nodes=snakefile.nodes),
        config_settings=ConfigSettings(config=decode(snakefile.config, relocate) or {}, config_args=""),
        snakefile=Path(relocate(snakefile.path)),
    )._workflow


def included_name(address: str) -> str:
    """Return the name of the file that stands for what the Snakefile includes by an address."""
    return hashlib.sha256(address.encode()).hexdigest()[:32]


def bring_included(root: Path) -> None:
    """Have Snakemake take what the Snakefile includes by an address from the root, where the controller has put it."""
    from snakemake.sourcecache import SourceCache

    fetch = SourceCache._do_cache

    def do_cache(self: Any, source_file: Any, cache_entry: Path) -> None:
        file = root / INCLUDED / included_name(source_file.get_path_or_uri(secret_free=True))
        if not file.is_file():
            fetch(self, source_file, cache_entry)
            return
        cache_entry.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, cache_entry)

    SourceCache._do_cache = do_cache


def function(workflow: Any, rule: str) -> Callable[..., None]:
    """Return the function that Snakemake has made of a rule's run:."""
    found: Callable[..., None] = workflow.get_rule(rule).run_func
    return found


def run_function(run: Callable[..., None], given: Values, iteration: int | None, record: Any) -> None:
    """Call the function of a rule's run: with the values that the controller has decided."""
    standard = {
        "cleanup_scripts": True,
        "use_singularity": False,
        "singularity_args": "",
        "is_shell": False,
        "runtime_paths": [],
        "sourcecache_path": _scratch("source-cache"),
        "runtime_sourcecache_path": _scratch("runtime-cache"),
        "bench_record": record,
        "bench_iteration": iteration,
    }
    known = {**given, **standard}
    parameters = inspect.signature(run).parameters
    run(**{name: known.get(name) for name, of in parameters.items() if of.default is inspect.Parameter.empty})


# -- benchmark: --


def benchmark_record() -> Any:
    """Return a record that a call of Snakemake's fills in."""
    from snakemake.benchmark import BenchmarkRecord

    return BenchmarkRecord()


def benchmarked() -> Any:
    """Measure this process, as a context manager that gives the record."""
    from snakemake.benchmark import benchmarked as measured

    return measured()


def write_benchmarks(records: list[Any], member: Member, given: Values) -> None:
    """Write a member's benchmark file."""
    from snakemake.benchmark import write_benchmark_records

    assert member.benchmark
    for record in records:
        record.jobid, record.rule_name, record.threads = member.jobid, member.rule, member.threads
        if member.image:  # what was measured, but for the time, is the hand-over
            record.data_collected = False
        for name in ("wildcards", "params", "resources", "input"):
            setattr(record, name, given[name])
    write_benchmark_records(records, member.benchmark.path, member.extended)
