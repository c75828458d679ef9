"""How a run was asked for, as far as its record may have it: more people may read a bucket than a command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

HIDDEN: Final = "***"
_CONFIG: Final = "--config"
_SHORTEST: Final = "--conf"  # Snakemake takes the beginning of a flag for all of it
_SECRET: Final = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)


def command(arguments: Sequence[str]) -> str:
    """Return a command line for a shell. arguments: with the program first.

    Values of Snakemake's --config are hidden, as is the value of each flag whose name says that it is a secret.
    """
    program = Path(arguments[0]).name
    name = "byok8s" if program == "__main__.py" else program
    return shlex.join([name, *_shown(arguments[1:])])


def _shown(arguments: Sequence[str]) -> Iterator[str]:
    flag = ""  # the one whose values come
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument.startswith("-C") and argument != "-C":
            yield f"-C{HIDDEN}"
        elif argument.startswith("-"):
            flag = name
            yield f"{name}={_value(flag, value)}" if equals else argument
        else:
            yield _value(flag, argument)


def _value(flag: str, value: str) -> str:
    if flag == "-C" or (flag.startswith(_SHORTEST) and _CONFIG.startswith(flag)):
        name, equals, _ = value.partition("=")
        return f"{name}={HIDDEN}" if equals else HIDDEN
    return HIDDEN if _SECRET.search(flag) and not flag.startswith("--no-") else value
