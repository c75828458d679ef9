"""Which files and targets the words of a command line name.

    WORKFLOW PARAMS [TARGET...]           as a workflow with its files is run
    WORKFLOW                              no params
    PARAMS                                no workflow file: the Snakefile's default target
    -s SNAKEFILE [PARAMS] [TARGET...]     no workflow file; PARAMS is a JSON or YAML file, all else is a target
    - - [TARGET...]                       `-` stands for a file that there is not

A word names a file or its stem. A workflow file is told from a params file by its "workflow_target".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from byok8s import files
from byok8s.errors import InputError
from byok8s.settings import WorkflowFile

NO_FILE = "-"


@dataclass(frozen=True)
class Named:
    """workflow, params: None for no such file. targets: none for those of the workflow file."""

    workflow: Path | None
    params: Path | None
    targets: tuple[str, ...] = ()


def named(words: Sequence[str], elsewhere: Path | None, *, snakefile: bool) -> Named:
    """Find the files that are named.

    elsewhere: a folder to look in after the working folder. snakefile: whether the command line names one. Raises
    InputError for a file that is not there, and where a word can mean two things.
    """
    if not words:
        return Named(None, None)
    if words[0] == NO_FILE or (len(words) > 1 and not snakefile):
        return _in_full(words, elsewhere)
    first = _data_file(words[0], elsewhere)
    if first is None:
        return _only_targets(words, elsewhere, snakefile=snakefile)
    if _is_workflow(first, words, elsewhere):
        return _in_full(words, elsewhere)
    _check_targets(words[1:], words, elsewhere)
    return Named(None, first, tuple(words[1:]))


def _in_full(words: Sequence[str], elsewhere: Path | None) -> Named:
    """WORKFLOW [PARAMS] [TARGET...], each file or `-`."""
    workflow = None if words[0] == NO_FILE else files.find("workflow file", words[0], elsewhere)
    if len(words) == 1 or words[1] == NO_FILE:
        return Named(workflow, None, tuple(words[2:]))
    try:
        params = files.find("params file", words[1], elsewhere)
    except InputError as error:
        raise InputError(
            error.what, where=error.where, hint=_missing_params(words, workflow, error.hint)
        ) from error
    if workflow and not _fits(files.load(workflow)) and "workflow_target" in files.load(params):
        raise InputError(
            f"The workflow file comes first, then the params file; {params.name} is the one with a workflow_target.",
            hint=f"byok8s {words[1]} {words[0]}",
        )
    return Named(workflow, params, tuple(words[2:]))


def _missing_params(words: Sequence[str], workflow: Path | None, hint: str) -> str:
    if workflow and "workflow_target" not in files.load(workflow):
        return f"If {workflow.name} is the params file and {words[1]} a target: byok8s - {' '.join(words)}"
    return f"{hint} Without one: byok8s {words[0]} - TARGET." if workflow else hint


def _only_targets(words: Sequence[str], elsewhere: Path | None, *, snakefile: bool) -> Named:
    if snakefile:
        _check_targets(words, words, elsewhere)
        return Named(None, None, tuple(words))
    try:
        other = files.find("workflow file or params file", words[0], elsewhere)
    except InputError as error:
        raise InputError(
            error.what, where=error.where, hint=f"{error.hint} A target alone: byok8s -s Snakefile {words[0]}"
        ) from error
    raise InputError(
        f"{words[0]} is neither a workflow file nor a params file: those are JSON or YAML.",
        where=f"It is {other}.",
        hint=f"A Snakefile is named with -s: byok8s -s {words[0]}",
    )


def _check_targets(targets: Sequence[str], words: Sequence[str], elsewhere: Path | None) -> None:
    """Refuse the stem of a data file where a target is looked for. The name of a whole file may well be a target."""
    for word in targets:
        found = _data_file(word, elsewhere)
        if found and found.name != Path(word).name:
            before = "- -" if targets is words else f"- {words[0]}"
            raise InputError(
                f"{word!r} is a target where it stands, and names a file.",
                where=f"The file is {found}.",
                hint="The params file comes before the targets. If it is a target: "
                f"byok8s -s SNAKEFILE {before} {' '.join(targets)}",
            )


def _data_file(word: str, elsewhere: Path | None) -> Path | None:
    """The JSON or YAML file that a word names."""
    try:
        found = files.find("", word, elsewhere)
    except InputError:
        return None
    return found if found.suffix in files.SUFFIXES else None


def _is_workflow(file: Path, words: Sequence[str], elsewhere: Path | None) -> bool:
    content = files.load(file)
    if "workflow_target" in content:
        return True
    if not _fits(content):
        return False
    if len(words) > 1 and (words[1] == NO_FILE or _data_file(words[1], elsewhere)):
        return True
    if not content:
        return False
    raise InputError(
        f"{file.name} can be a workflow file or a params file: it holds names of settings, and no workflow_target.",
        where=f"In {file}.",
        hint=f"If it is the workflow file: byok8s {words[0]} -; if it holds params: byok8s - {words[0]}",
    )


def _fits(content: Mapping[str, object]) -> bool:
    """Whether a workflow file may hold this."""
    return content.keys() <= {field.name for field in msgspec.structs.fields(WorkflowFile)}
