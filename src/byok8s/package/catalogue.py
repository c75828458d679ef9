"""The workflows and params that a folder holds, with what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from byok8s import files
from byok8s.errors import InputError
from byok8s.settings import WorkflowFile

# where people keep them; files elsewhere can be named by their path
FOLDERS = ("", "workflows", "params", "config")


@dataclass(frozen=True)
class CatalogueEntry:
    """path: within the folder. description: empty if the file has none."""

    path: Path
    description: str

    @property
    def name(self) -> str:
        """As it is given to a run."""
        return str(self.path.with_suffix(""))


@dataclass(frozen=True)
class Catalogue:
    workflows: tuple[CatalogueEntry, ...]
    params: tuple[CatalogueEntry, ...]


def read(folder: Path, chosen: Iterable[Path]) -> Catalogue:
    """Of the files `chosen` within a folder.

    A workflow file is one that names its target; params are other JSON and YAML files whose names begin with params or
    config, or that lie in a folder of such a name.
    """
    likely = [
        path for path in sorted(chosen) if path.suffix in files.SUFFIXES and str(path.parent) in _places()
    ]
    workflows = {path: content for path in likely if (content := _workflow(folder / path))}
    params = [path for path in likely if path not in workflows and _is_params(folder, path)]
    return Catalogue(
        tuple(CatalogueEntry(path, _description(content)) for path, content in workflows.items()),
        tuple(CatalogueEntry(path, _comment(folder / path)) for path in params),
    )


def _places() -> set[str]:
    return {str(Path(name)) for name in FOLDERS}


def _workflow(file: Path) -> WorkflowFile | None:
    return _attempted(lambda: _with_target(files.load_as(file, WorkflowFile)))


def _with_target(content: WorkflowFile) -> WorkflowFile | None:
    return content if content.workflow_target else None


def _description(content: WorkflowFile) -> str:
    target = content.workflow_target
    return content.description or f"makes {target if isinstance(target, str) else ', '.join(target or [])}"


def _attempted(read: Callable[[], WorkflowFile | None]) -> WorkflowFile | None:
    try:
        return read()
    except InputError:
        return None


def _is_params(folder: Path, path: Path) -> bool:
    named = path.name.startswith(("params", "config")) or str(path.parent) in ("params", "config")
    if not named or path.stem.endswith(".schema"):
        return False
    try:
        files.load(folder / path)
    except InputError:
        return False
    return True


def _comment(file: Path) -> str:
    """The comment that a YAML file begins with, in one line."""
    return " ".join(_first_comment(file)) if file.suffix != ".json" else ""


def _first_comment(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            return
        if words := line.lstrip("#").strip():
            yield words
