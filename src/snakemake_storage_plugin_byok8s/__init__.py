"""Snakemake's storage in an S3 bucket, asked little and explained well: the S3 plugin, with other answers.

    snakemake --default-storage-provider byok8s --default-storage-prefix s3://bucket/prefix

provider.py is what Snakemake works with, and is imported when it does: pods, and the commands that only move files,
use the connection, and what tells files from directories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.provider import (
        StorageObject,
        StorageProvider,
        StorageProviderSettings,
    )

__all__ = ["StorageObject", "StorageProvider", "StorageProviderSettings"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from snakemake_storage_plugin_byok8s import provider

    return getattr(provider, name)
