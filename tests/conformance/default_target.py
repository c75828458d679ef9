"""The rule that Snakemake runs when no target is named: for a byok8s that has to be told.

It is found by a program, this file, which is started in a copy of the workflow's folder.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

SECONDS = 60.0
SAID = "default target: "


def needed() -> bool:
    """Return whether byok8s wants a target; one that has byok8s.named does not."""
    return importlib.util.find_spec("byok8s.named") is None


def find(folder: Path, snakefile: str | None, config: Mapping[str, object]) -> str | None:
    from conformance.workflow import Workflow, copy, environment, execute

    with TemporaryDirectory(prefix="parsed-") as scratch:
        place = copy(Workflow(folder), Path(scratch, "workflow"))
        command = [sys.executable, __file__, snakefile or "", json.dumps(config)]
        words = execute(command, place, environment(Path(scratch, "home"), {}), SECONDS).words
    found = [line for line in words.splitlines() if line.startswith(SAID)]
    return found[-1].removeprefix(SAID) if found else None


def main(snakefile: str, config: str) -> None:
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings()) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=json.loads(config)),
            snakefile=Path(snakefile) if snakefile else None,
        )
        print(f"{SAID}{workflow._workflow.default_target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
