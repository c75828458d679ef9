"""What the Snakefile names as its sources, told by Snakemake itself.

In a process of its own, for the Snakefile's code is run, prints, and changes what is global.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from byok8s.errors import InputError

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


@dataclass(frozen=True)
class Parsed:
    """sources: files that Snakemake would read, relative to the folder that was parsed.
    absolute: inputs and outputs of rules that lie at a fixed place of the file system.
    """

    sources: tuple[str, ...]
    absolute: tuple[str, ...]


def parse(folder: Path, snakefile: Path, params: Sequence[Path]) -> Parsed:
    """Have Snakemake read a Snakefile of `folder`, which is the working folder.

    params: files of parameters; the first with which it can be read counts. Raises InputError if there is none.
    """
    tried = [_tried(folder, snakefile, file) for file in params] or [_tried(folder, snakefile, None)]
    told = next((one for one in tried if not one["fault"]), tried[0])
    if told["fault"]:
        with_params = f", with {params[0].name}" if params else ""
        raise InputError(f"Snakemake cannot read {snakefile}{with_params}:", where=str(told["fault"]))
    return Parsed(_texts(told["sources"]), _texts(told["absolute"]))


def _tried(folder: Path, snakefile: Path, params: Path | None) -> Mapping[str, object]:
    with TemporaryDirectory() as temporary:
        found = Path(temporary, "found.json")
        ended = subprocess.run(
            [sys.executable, "-m", __name__, str(found), str(snakefile), *([str(params)] if params else [])],
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if not found.is_file():
            said = ended.stderr.strip().rpartition("\n")[2]
            return {"fault": f"Python ended with exit code {ended.returncode}. {said}".strip()}
        told: dict[str, object] = json.loads(found.read_text())
    return told


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)
    return tuple(map(str, value))


def main(found: str, snakefile: str, params: Sequence[str]) -> None:
    """The process' own life. found: the file that is written."""
    told: dict[str, object] = {"fault": "", "sources": [], "absolute": []}
    try:
        with _read(Path(snakefile), [Path(file) for file in params]) as workflow:
            told |= {"sources": sorted({*_sources(workflow)}), "absolute": sorted({*_absolute(workflow)})}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a Snakefile may raise whatever it likes
        told["fault"] = _words(error)
    Path(found).write_text(json.dumps(told))


@contextmanager
def _read(snakefile: Path, params: Sequence[Path]) -> Iterator[Workflow]:
    from snakemake.api import (
        ConfigSettings,
        DeploymentSettings,
        OutputSettings,
        ResourceSettings,
        SnakemakeApi,
        StorageSettings,
        WorkflowSettings,
    )

    with SnakemakeApi(OutputSettings(keep_logger=True)) as api:
        asked = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=params),
            storage_settings=StorageSettings(),
            workflow_settings=WorkflowSettings(),
            deployment_settings=DeploymentSettings(),
            storage_provider_settings={},
            snakefile=snakefile,
        )
        # as Snakemake's own `--lint` has it; what the API offers in public reads it and tells nothing
        workflow = asked._get_workflow(check_envvars=False)
        workflow.include(asked.snakefile, overwrite_default_target=True)
        yield workflow


def _sources(workflow: Workflow) -> Iterator[str]:
    from byok8s.bundle.sources import of_workflow

    given = {os.path.relpath(file) for file in workflow.config_settings.configfiles}
    yield from (path for path in of_workflow(workflow) if path not in given)
    for rule in workflow.rules:
        if isinstance(rule.conda_env, str) and rule.conda_env.endswith((".yaml", ".yml")):
            yield os.path.relpath(Path(rule.basedir.get_path_or_uri(secret_free=True), rule.conda_env))


def _absolute(workflow: Workflow) -> Iterator[str]:
    from snakemake.io import is_flagged

    for rule in workflow.rules:
        for kind, files in (("input", rule.input), ("output", rule.output)):
            for file in files:
                # what workflow.source_path() returns lies in Snakemake's cache
                own = is_flagged(file, "sourcecache_entry")
                if isinstance(file, str) and Path(file).is_absolute() and not own:
                    yield f"{kind} {file} of rule {rule.name}"


def _words(error: BaseException) -> str:
    place = f" ({error.filename}, line {error.lineno})" if isinstance(error, SyntaxError) else ""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {said}{place}" if said else type(error).__name__


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
