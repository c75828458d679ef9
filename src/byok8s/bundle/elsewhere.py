"""Sources from elsewhere: wrappers, and includes by an address. This machine has fetched them; pods get them from it.

What lies in one folder there lies in one folder of pods, too, so that a script finds what is beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from byok8s.compat import Wrappers
from byok8s.errors import InputError
from byok8s.worker.machinery import INCLUDED, included_name

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

SCRIPTS: Final = ".snakemake/scripts-from-elsewhere"
MOST_BYTES: Final = 16_000_000  # beside the script of a wrapper
_NEVER: Final = frozenset({".git", ".snakemake", "__pycache__"})


def within(folder: str, name: str) -> str:
    """Return where a script of a folder elsewhere lies within the root of pods."""
    return f"{SCRIPTS}/{hashlib.sha256(folder.encode()).hexdigest()[:16]}/{name}"


def files(workflow: Workflow, root: Path) -> Iterator[tuple[Path, str]]:
    """Yield files of this machine and where they lie within the root of pods.

    They are what lies in the folders of local wrappers, and what the Snakefile includes by an address. Raises
    InputError for a folder that is too large.
    """
    for folder in sorted(_folders(workflow)):
        for path in _inside(folder):
            name = path.relative_to(folder).as_posix()
            inside = folder.is_relative_to(root)
            yield path, path.relative_to(root).as_posix() if inside else within(str(folder), name)
    for source in workflow.included:
        if not _is_file(source):
            address = source.get_path_or_uri(secret_free=True)
            yield Path(workflow.sourcecache.get_path(source)), f"{INCLUDED}/{included_name(address)}"


def _folders(workflow: Workflow) -> set[Path]:
    """Return the folders of wrappers that are files of this machine."""
    from snakemake.wrapper import get_path

    wrappers, prefix = Wrappers(), workflow.workflow_settings.wrapper_prefix
    named = {rule.wrapper for rule in workflow.rules if rule.wrapper}
    scripts = (
        wrappers.script(workflow, wrapper, prefix)
        for wrapper in named
        if _is_file(get_path(wrapper, prefix=prefix))
    )
    return {Path(script.get_path_or_uri(secret_free=True)).absolute().parent for script in scripts}


def _is_file(source: object) -> bool:
    from snakemake.sourcecache import LocalSourceFile

    return isinstance(source, LocalSourceFile)


def _inside(folder: Path) -> list[Path]:
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _NEVER & set(path.relative_to(folder).parts)
    ]
    size = sum(path.stat().st_size for path in found)
    if size > MOST_BYTES:
        raise InputError(
            f"The folder of a wrapper has {size // 1_000_000} MB; pods can be given {MOST_BYTES // 1_000_000} MB.",
            where=f"It is {folder}.",
            hint="Leave in it what the wrapper's script needs.",
        )
    return found
