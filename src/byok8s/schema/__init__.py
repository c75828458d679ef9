"""The workflow's parameters, as its JSON Schema describes them: params.schema.yaml beside the Snakefile.

find: where it is. apply: a params file checked against it. parameters: what it documents; table and skeleton show that.
jsonschema takes 0.1 s to import, so only what has found a schema does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from byok8s.schema.documented import Parameter, parameters
from byok8s.schema.skeleton import skeleton
from byok8s.schema.table import table
from byok8s.schema.validation import apply

__all__ = ["NAMES", "Parameter", "apply", "find", "parameters", "skeleton", "table"]

NAMES = ("params.schema.yaml", "params.schema.yml", "params.schema.json")


def find(folders: Sequence[Path]) -> Path | None:
    """The schema in the first of the folders that has one."""
    places = (folder / name for folder in folders for name in NAMES)
    return next((place for place in places if place.is_file()), None)
