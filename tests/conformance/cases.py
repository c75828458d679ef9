"""Snakemake's tests as workflows to run: what a test gives to run() becomes a command line; some cannot be run so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.corpus import Call, Corpus
from conformance.workflow import Workflow

# arguments that ask for something else than that jobs are run
NO_JOBS = {
    "archive": "makes an archive",
    "containerize": "writes a Dockerfile",
    "generate_unit_tests": "writes unit tests",
    "cleanup_metadata": "removes metadata",
    "conda_list_envs": "lists environments",
    "conda_create_envs": "only makes environments",
    "edit_notebook": "edits a notebook",
}
NO_JOBS_FLAGS = re.compile(r"--(summary|list-input-changes|dag|dry-?run|generate-unit-tests|containerize)\b")
# what a run with byok8s says otherwise, and whether a value follows
OURS = {
    **dict.fromkeys(["--executor", "--cluster-generic-submit-cmd", "--cluster-generic-status-cmd"], 1),
    **dict.fromkeys(["--sdm", "-s", "--snakefile", "-c", "--cores", "-j", "--jobs"], 1),
    **dict.fromkeys(["--default-storage-provider", "--default-storage-prefix"], 1),
    "--verbose": 0,
}
CORES = re.compile(r"(?:^|\s)(?:-c|-j|--cores|--jobs)[ =]?(\d+)")


@dataclass(frozen=True)
class Case:
    """contents, names: whether the test compares the content of its expected results, or that they are there."""

    name: str
    workflow: Workflow
    contents: bool = True
    names: bool = True


@dataclass(frozen=True)
class Excluded:
    """A test that is not run. kind: what it is about instead."""

    name: str
    kind: str


def cases(corpus: Corpus) -> tuple[list[Case], list[Excluded]]:
    """Return the tests that can be run, the same run once, and those that cannot."""
    found, excluded, seen = [], [], []
    for test in corpus.tests:
        if not test.calls:
            excluded.append(Excluded(test.name, "does not call run(): about Snakemake's own functions"))
        number = 0
        for call in test.calls:
            why = _unfit(corpus, call)
            workflow = None if why else _workflow(corpus.folder / call.folder, call.arguments)
            if workflow in seen:
                continue
            number += 1
            name = test.name if number == 1 else f"{test.name}.{number}"
            if workflow is None:
                excluded.append(Excluded(name, why))
            else:
                seen.append(workflow)
                found.append(_case(name, workflow, call.arguments))
    return found, excluded


def _case(name: str, workflow: Workflow, given: Mapping[str, object]) -> Case:
    elsewhere = bool(given.get("default_storage_prefix"))  # its expected results are below the prefix
    check = given.get("check_results")
    names = (not workflow.fails if check is None else bool(check)) and not elsewhere
    return Case(name, workflow, contents=names and bool(given.get("check_md5", True)), names=names)


def _unfit(corpus: Corpus, call: Call) -> str:
    """Return why the call cannot be run as a workflow; empty if it can."""
    given, command = call.arguments, str(call.arguments.get("shellcmd") or "")
    if not (corpus.folder / call.folder).is_dir() or call.folder.startswith(".."):
        return "makes its workflow in code"
    if given.get("sigint_after"):
        return "is interrupted"
    if given.get("executor") in ("dryrun", "touch"):
        return f"runs no jobs: {given['executor']}"
    for name, why in NO_JOBS.items():
        if given.get(name):
            return f"runs no jobs: {why}"
    if given.get("report") and not given.get("report_after_run"):
        return "runs no jobs: makes a report"
    if NO_JOBS_FLAGS.search(command) or re.search("[>&|]", command):
        return "runs no jobs: another command"
    if re.search(r"https?://", command):
        return "wants a server of its own"
    return ""


def _workflow(folder: Path, given: Mapping[str, object]) -> Workflow:
    command = str(given.get("shellcmd") or "")
    targets, flags = _read_command(command)
    found = CORES.search(command)
    cores, fails = found[1] if found else str(given.get("cores") or ""), bool(given.get("shouldfail"))
    snakefile = given.get("snakefile") or _snakefile_of(command)
    return Workflow(
        folder=folder,
        targets=(*_words(given.get("targets")), *targets),
        snakefile=str(snakefile) if snakefile else None,
        config=_mapping(given.get("config")),
        flags=(*flags, *_flags(given), *_named_cores(folder, cores, fails=fails)),
        cores=int(cores or 3),
        fails=fails,
    )


def _named_cores(folder: Path, cores: str, *, fails: bool) -> list[str]:
    """Name the test's cores to Snakemake itself if a profile names others, or if it may fail for want of them.

    Else they are the nodes' on a cluster.
    """
    profiles = (
        path for path in folder.rglob("*.yaml") if re.search("^cores:", path.read_text(), re.MULTILINE)
    )
    return ["--cores", cores] if cores and (fails or any(profiles)) else []


def _read_command(command: str) -> tuple[list[str], list[str]]:
    """Return the targets and the flags of a command line that a test gives; without what byok8s says itself."""
    words = iter(shlex.split(command)[1:])
    flags: list[str] = []
    for word in words:
        if word == "--":
            return list(words), flags
        name = word.split("=")[0]
        if name in OURS:
            if OURS[name] and "=" not in word:
                next(words)
        elif not re.fullmatch(r"-[cj]\d+", word):
            flags.append(word)
    return [], flags


def _snakefile_of(command: str) -> str | None:
    found = re.search(r"(?:-s|--snakefile)[ =](\S+)", command)
    return found[1] if found else None


def _words(value: object) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _mapping(value: object) -> dict[str, object]:
    return {str(name): item for name, item in value.items()} if isinstance(value, dict) else {}


def _pairs(value: object) -> list[str]:
    return [f"{name}={item}" for name, item in _mapping(value).items() if item is not None]


def _of_rules(value: object) -> list[str]:
    return [f"{rule}:{pair}" for rule, given in _mapping(value).items() for pair in _pairs(given)]


def _batch(value: object) -> list[str]:
    fields = _mapping(_mapping(value).get("fields"))
    return [f"{fields['rulename']}={fields['idx']}/{fields['batches']}"]


def _list(value: object) -> list[str]:
    """Return a list's items; of what the test has made as an object nothing can be said in a command."""
    return [str(item) for item in value] if isinstance(value, list) else []


# the flags with values that arguments of run() stand for
VALUES: Mapping[str, tuple[str, Callable[[object], Sequence[str]]]] = {
    "until": ("--until", _words),
    "omit_from": ("--omit-from", _words),
    "forcerun": ("--forcerun", _words),
    "configfiles": ("--configfile", _words),
    "batch": ("--batch", _batch),
    "retries": ("--retries", _words),
    "resources": ("--resources", _pairs),
    "default_resources": ("--default-resources", _list),
    "overwrite_scatter": ("--set-scatter", _pairs),
    "overwrite_resources": ("--set-resources", _of_rules),
    "overwrite_groups": ("--groups", _pairs),
    "group_components": ("--group-components", _pairs),
    "overwrite_resource_scopes": ("--set-resource-scopes", _pairs),
    "max_threads": ("--max-threads", _words),
    "shadow_prefix": ("--shadow-prefix", _words),
    "envvars": ("--envvars", _words),
    "cache": ("--cache", _words),
    "rerun_triggers": ("--rerun-triggers", _words),
}
SWITCHES = {
    "forceall": "--forceall",
    "all_temp": "--all-temp",
    "benchmark_extended": "--benchmark-extended",
    "force_incomplete": "--rerun-incomplete",
}


def _flags(given: Mapping[str, object]) -> Iterator[str]:
    for name, (flag, values) in VALUES.items():
        words = values(given[name]) if given.get(name) else []
        if words:
            yield from (flag, *words)
    yield from (flag for name, flag in SWITCHES.items() if given.get(name))
