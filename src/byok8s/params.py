"""The params file of a run: read, checked by the workflow's schema where it has one, and copied for Snakemake."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from byok8s import files, schema
from byok8s.errors import InputError
from byok8s.workspace import Source


def folders(snakefile: Path, source: Source | None) -> Sequence[Path]:
    """Where a workflow's schema may be: the working folder, the Snakefile's, and that above `workflow/`.

    A repository's workflow has its own. snakefile, source: as a request has them.
    """
    home = (source.folder / snakefile if source else snakefile).resolve().parent
    own = [] if source and not source.packaged else [Path.cwd()]
    return [*dict.fromkeys([*own, home, *([home.parent] if home.name == "workflow" else [])])]


def read(params_file: Path, folders: Sequence[Path]) -> Mapping[str, object]:
    """What the file holds, with the schema's defaults for what it does not say.

    Raises InputError where the file, or the schema, cannot be used, and for each fault that the schema finds.
    """
    content = files.load(params_file)
    found = schema.find(folders)
    return schema.apply(found, params_file, content) if found else content


def find_schema(folders: Sequence[Path]) -> Path:
    """The schema of a workflow. Raises InputError."""
    if found := schema.find(folders):
        return found
    raise InputError(
        f"The workflow has no {schema.NAMES[0]}.",
        where=f"Looked in {', '.join(map(str, folders))}.",
        hint='Write one, as "properties: {depth: {type: integer, default: 30}}"; docs/params.md says how.',
    )


def copy(params_file: Path, params: Mapping[str, object]) -> bytes:
    """What Snakemake is given: the file as it is, unless defaults were filled in. params: as `read` has returned."""
    if not params:
        return b"{}"  # Snakemake refuses an empty config file
    if params == files.load(params_file):
        return params_file.read_bytes()
    if params_file.suffix == ".json":
        return json.dumps(params, ensure_ascii=False, indent=2).encode() + b"\n"
    import yaml

    words: str = yaml.safe_dump(params, allow_unicode=True, sort_keys=False)
    return words.encode()
