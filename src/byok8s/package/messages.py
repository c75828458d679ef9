"""What a person is told of a package."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path

from byok8s.package.catalogue import Catalogue, CatalogueEntry
from byok8s.package.project import Package

WIDTH = 80


def made(package: Package, place: Path) -> str:
    """Say what the package holds, and what to type now. place: its project's folder."""
    name, params = package.name.distribution, package.catalogue.params
    run = f"{package.catalogue.workflows[0].name} {params[0].name if params else 'PARAMS'}"
    # of a bare name pip would think that it is on an index
    project = place if place.is_absolute() else f"./{place}"
    return "\n".join(
        [
            f"{place}: {name} {package.version}, with {len(package.files)} files of {package.folder}",
            *(f"    {path}" for path in package.files),
            "",
            "Install it, and run it in any folder:",
            f"    pip install {project}",
            f"    {name} {run} --local",
        ]
    )


def listed(catalogue: Catalogue, replaced: Collection[Path]) -> str:
    """List the workflows and params. replaced: files in whose place those of the working folder are taken."""
    workflows, params = catalogue.workflows, catalogue.params
    return "\n".join([*_entries("WORKFLOW", workflows, replaced), "", *_entries("PARAMS", params, replaced)])


def _entries(title: str, entries: Sequence[CatalogueEntry], replaced: Collection[Path]) -> list[str]:
    width = max([len(title), *(len(entry.name) for entry in entries)])
    lines = [title]
    for entry in entries:
        own = "(the one of this folder)" if entry.path in replaced else ""
        first = f"{entry.name:<{width}}  "
        words = " ".join(filter(None, [entry.description, own]))
        lines += textwrap.wrap(
            words, WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
        ) or [entry.name]
    return lines
