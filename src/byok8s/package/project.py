"""The project that a package is: every file of it, and how it gets onto the disk."""

from __future__ import annotations

import contextlib
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from byok8s import __version__
from byok8s.errors import InputError
from byok8s.package.catalogue import Catalogue, CatalogueEntry
from byok8s.package.contents import MARK, is_package
from byok8s.package.names import Name

EXECUTABLE, PLAIN = 0o755, 0o644


@dataclass(frozen=True)
class Package:
    """folder: the workflow's. files: those of it that are packaged, within it."""

    name: Name
    version: str
    folder: Path
    files: Sequence[Path]
    catalogue: Catalogue


def write(package: Package, output: Path, *, force: bool) -> None:
    """Make the project's folder, whole or not at all.

    force: take the place of one that byok8s has made. Raises InputError if something else is there.
    """
    before = output.exists()
    if before and not (force and is_package(output)):
        raise InputError(
            f"{output} is there already.",
            hint="--force packages again into a folder that 'byok8s package' has made; --output names another one."
            if not force
            else "It was not made by 'byok8s package', so it stays. --output names another folder.",
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as temporary:
            new, old = Path(temporary, "new"), Path(temporary, "old")
            _fill(package, new)
            if before:
                output.rename(old)
            try:
                new.rename(output)
            except OSError:
                with contextlib.suppress(OSError):
                    old.rename(output)
                raise
    except OSError as error:
        raise InputError(f"The package cannot be written: {error}.") from error


def _fill(package: Package, folder: Path) -> None:
    for name, words in _rendered(package).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(words, encoding="utf-8")
        file.chmod(PLAIN)
    for path in package.files:
        _copy(package.folder / path, folder / "src" / package.name.module / "workflow" / path)
    for path in _licences(package):
        _copy(package.folder / path, folder / path)


def _copy(origin: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(origin, target)
    target.chmod(EXECUTABLE if origin.stat().st_mode & stat.S_IXUSR else PLAIN)


def _licences(package: Package) -> list[Path]:
    return [
        path
        for path in package.files
        if path.parent == Path() and path.stem in ("LICENSE", "LICENCE", "COPYING")
    ]


def _rendered(package: Package) -> dict[str, str]:
    values = _values(package)
    module = package.name.module
    targets = {
        "README.md": "README.md",
        "__init__.py": f"src/{module}/__init__.py",
        "__main__.py": f"src/{module}/__main__.py",
        "gitignore": ".gitignore",
        "pyproject.toml": "pyproject.toml",
        "test.py": f"tests/test_{module}.py",
    }
    folder = resources.files("byok8s.package") / "template"
    return {
        target: Template((folder / f"{name}.template").read_text(encoding="utf-8")).substitute(values)
        for name, target in targets.items()
    }


def _values(package: Package) -> Mapping[str, str]:
    catalogue = package.catalogue
    runs = [(workflow.name, catalogue.params[0].name) for workflow in catalogue.workflows if catalogue.params]
    major, minor, *_ = __version__.split(".")
    licences = ", ".join(f'"{path}"' for path in _licences(package))
    return {
        "name": package.name.distribution,
        "module": package.name.module,
        "version": package.version,
        "byok8s": f"byok8s>={__version__},<{major}.{int(minor) + 1}",
        "byok8s_local": f"byok8s[local]>={__version__},<{major}.{int(minor) + 1}",
        "licences": f"license-files = [{licences}]\n" if licences else "",
        "mark": MARK,
        "workflow": catalogue.workflows[0].name,
        "params": catalogue.params[0].name if catalogue.params else "PARAMS",
        "workflows": _table("workflow", catalogue.workflows),
        "paramses": _table("params", catalogue.params),
        "runs": "".join(f'    ("{workflow}", "{params}"),\n' for workflow, params in runs),
    }


def _table(title: str, entries: Sequence[CatalogueEntry]) -> str:
    rows = [f"| `{entry.name}` | {entry.description.replace('|', '/')} |" for entry in entries]
    return (
        "\n".join([f"| {title} | what it is |", "| --- | --- |", *rows])
        if rows
        else f"There is no {title} file in it."
    )
