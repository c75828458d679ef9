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


NO_FILE = Path("no params file")


def read(params_file: Path | None, folders: Sequence[Path]) -> Mapping[str, object]:
    """Return what the file holds, with the schema's defaults for what it does not say.

    params_file: None if none is named, which is like an empty one. Raises InputError if the file, or the schema,
    cannot be used, and for each fault that the schema finds.
    """
    content = files.load(params_file) if params_file else {}
    found = schema.find(folders)
    if found is None:
        return content
    try:
        return schema.apply(found, params_file or NO_FILE, content)
    except InputError as error:
        if params_file:
            raise
        raise InputError(
            "No params file is named, and the workflow does not do without.",
            where="\n".join([f"In {found}:", *error.where.splitlines()[1:]]),
            hint="`byok8s params --yaml > params.yaml` makes one to begin with: byok8s params.yaml",
        ) from error


def find_schema(folders: Sequence[Path]) -> Path:
    """The schema of a workflow. Raises InputError."""
    if found := schema.find(folders):
        return found
    raise InputError(
        f"The workflow has no {schema.NAMES[0]}.",
        where=f"Looked in {', '.join(map(str, folders))}.",
        hint='Write one, as "properties: {depth: {type: integer, default: 30}}"; docs/params.md says how.',
    )


def copy_name(params_file: Path | None) -> str:
    """Return the name of the copy that Snakemake is given."""
    return f"params{params_file.suffix if params_file else '.yaml'}"


def copy(params_file: Path | None, params: Mapping[str, object]) -> bytes:
    """What Snakemake is given: the file as it is, unless defaults were filled in. params: as `read` has returned."""
    if not params:
        return b"{}"  # Snakemake refuses an empty config file
    if params_file is None:
        return _yaml(params)
    if params == files.load(params_file):
        return params_file.read_bytes()
    if params_file.suffix == ".json":
        return json.dumps(params, ensure_ascii=False, indent=2).encode() + b"\n"
    return _yaml(params)


def _yaml(params: Mapping[str, object]) -> bytes:
    import yaml

    words: str = yaml.safe_dump(dict(params), allow_unicode=True, sort_keys=False)
    return words.encode()
