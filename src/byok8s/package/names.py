"""What a package may be called."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from byok8s.errors import InputError

OWN = frozenset({"byok8s", "snakemake"})


@dataclass(frozen=True)
class Name:
    """distribution: what pip and the shell know; module: what Python imports."""

    distribution: str
    module: str


def check_name(given: str) -> Name:
    """Raises InputError for what pip, the shell or Python would not take, and for what is somebody else's."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", given):
        raise InputError(
            f"{given!r} cannot be the name of a package.",
            hint="A name has letters, digits, '-', '_' and '.', and begins and ends with a letter or digit.",
        )
    # the distribution's name as pip compares it
    distribution = re.sub(r"[-_.]+", "-", given).lower()
    module = distribution.replace("-", "_")
    if not module.isidentifier() or keyword.iskeyword(module):
        raise InputError(
            f"{given!r} cannot be the name of a package: Python cannot import {module!r}.",
            hint="Begin it with a letter, and take no word of Python's own.",
        )
    if owner := _owner(distribution, module):
        raise InputError(
            f"{given!r} cannot be the name of a package: it is {owner}.",
            hint="Take another name, perhaps with your lab's before it.",
        )
    return Name(distribution, module)


def check_version(given: str) -> str:
    """As pip writes it. Raises InputError if it is none."""
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(given))
    except InvalidVersion as error:
        raise InputError(
            f"{given!r} cannot be the version of a package.",
            hint="Versions are like 1.2, 1.2.3 or 2.0rc1 (PEP 440).",
        ) from error


def _owner(distribution: str, module: str) -> str:
    """Whose the name is: in words, or empty. What an earlier version of the same package has is nobody else's."""
    if distribution.split("-")[0] in OWN and (distribution in OWN or "plugin" in distribution):
        return "one of byok8s' or Snakemake's own"
    if module in sys.stdlib_module_names:
        return "a module of Python's own"
    spec = util.find_spec(module)
    folders = list(spec.submodule_search_locations or []) if spec else []
    if spec and not any(Path(folder, "workflow").is_dir() for folder in folders):
        return "a module that byok8s or Snakemake needs, or that is installed with them"
    for command in metadata.entry_points(group="console_scripts", name=distribution):
        if command.module.partition(".")[0] != module:
            return f"a command of {command.module.partition('.')[0]}, which is installed here"
    return ""
