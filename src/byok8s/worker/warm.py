"""What every job would load again, loaded once: a job's process is forked from one that has it."""

from __future__ import annotations

import gc
import importlib
from contextlib import suppress
from typing import Final

# The rest of Snakemake takes longer than all of these: what reads the Snakefile, for rules with run:, loads it.
_MODULES: Final = (
    "snakemake.shell",
    "snakemake.script",
    "snakemake.benchmark",
    "snakemake.deployment.conda",
    "snakemake.deployment.singularity",
    "psutil",
    "byok8s.worker.runner",
)
# Snakemake looks for data frames among a script's values
_OF_SCRIPTS: Final = ("smart_open", "pandas", "nbformat")


def warm_up(*, scripts: bool) -> None:
    """Load what jobs need. scripts: also what those with a script or notebook do.

    It starts no thread and opens no connection: neither would outlive a fork. What another release of Snakemake has
    not, or has elsewhere, its jobs load themselves.
    """
    gc.disable()  # nothing of what is loaded is garbage: looking for it would be a tenth of the time
    for name in (*_MODULES, *(_OF_SCRIPTS if scripts else ())):
        with suppress(ImportError):
            importlib.import_module(name)
    with suppress(Exception):
        from snakemake_storage_plugin_byok8s import connection

        connection.warm_up()
    gc.enable()
    gc.collect()
    gc.freeze()  # a collection in a job would touch, and so copy, all memory that it shares with us
