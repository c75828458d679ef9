"""Writes a report: whole or not at all, and over no file that is not one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from byok8s.errors import InputError

MARK: Final = b"<!doctype html>\n<!-- byok8s report -->\n"  # how each begins


def check(path: Path) -> None:
    """Raise InputError for a place at which no report can be written."""
    if not path.parent.is_dir():
        raise InputError(
            f"There is no folder {path.parent} for the report.", hint="Make it, or name another file."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"The folder {path.parent.absolute()} cannot be written to.", hint="Name a file with -o."
        )
    if not os.path.lexists(path):
        return
    if not path.is_file() or path.is_symlink():
        raise InputError(f"{path} is there, and is no file.", hint="Name another file with -o.")
    try:
        with path.open("rb") as file:
            is_report = file.read(len(MARK)) == MARK
    except OSError as error:
        raise InputError(f"{path} is there, and cannot be read.", where=str(error)) from error
    if not is_report:
        raise InputError(
            f"{path} is there, and is no report of byok8s, so it is left alone.",
            hint="Remove it, or name another file with -o.",
        )


def write(path: Path, page: bytes) -> None:
    """Put a page that begins with MARK at a place that was checked. Raises InputError."""
    assert page.startswith(MARK)
    new = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    try:
        try:
            with new.open("xb") as file:
                file.write(page)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"The report {path} cannot be written.", where=str(error)) from error
