"""Print the rule that Snakemake runs when no target is named: a program of its own, started in a workflow's folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings


def main(snakefile: str, config: str) -> None:
    with SnakemakeApi(OutputSettings()) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=json.loads(config)),
            snakefile=Path(snakefile) if snakefile else None,
        )
        print("default target:", workflow._workflow.default_target)


if __name__ == "__main__":
    main(*sys.argv[1:])
