"""What every job would load again, loaded once: a job's process is forked from one that has it."""

from __future__ import annotations

import gc
import importlib
from contextlib import suppress

MODULES = (
    "snakemake.api",
    "snakemake.workflow",
    "snakemake.script",
    "snakemake.shell",
    "snakemake.benchmark",
    "snakemake_storage_plugin_s3",
    "nbformat",
    "byok8s.worker.runner",
)


def warm_up() -> None:
    """Starts no thread and opens no connection: neither would outlive a fork.

    What another release of Snakemake has not, or has elsewhere, its jobs load themselves.
    """
    for name in MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    with suppress(Exception):
        import snakemake_storage_plugin_byok8s

        snakemake_storage_plugin_byok8s.warm_up()
    gc.collect()
    gc.freeze()  # a collection in a job would touch, and so copy, all memory that it shares with us
