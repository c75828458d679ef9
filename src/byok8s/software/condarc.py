"""What this machine says of conda's channels: conda's own settings, .condarc and CONDA_CHANNEL_ALIAS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from byok8s.errors import InputError

ALIAS: Final = "https://conda.anaconda.org"
DEFAULTS: Final = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>[A-Za-z_]\w*))")


@dataclass(frozen=True)
class Condarc:
    """The settings that count. alias: of the server of channels that are a name; "" for conda's usual one.

    custom: where a channel's name is to be looked for, by that name. defaults: what the channel `defaults` stands for.
    channels: those of an environment that names none. mirrors: other places of a channel, by its name.
    """

    alias: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    defaults: tuple[str, ...] = DEFAULTS
    channels: tuple[str, ...] = ("defaults",)
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Fill in $NAME and ${NAME}, as conda does; what is not set stays."""
    return VARIABLE.sub(lambda found: variables.get(found["braced"] or found["plain"], found[0]), text)


def read(variables: Mapping[str, str], home: Path, root: Path = Path("/")) -> Condarc:
    """Read the settings, later files over earlier ones. Raises InputError for a file that cannot be read."""
    said: dict[str, object] = {}
    for file in _files(variables, home, root):
        said |= _read(file)
    if alias := variables.get("CONDA_CHANNEL_ALIAS"):
        said["channel_alias"] = alias
    return Condarc(
        alias=_text(said.get("channel_alias") or "", variables),
        custom={
            name: _text(place, variables) for name, place in _mapping(said.get("custom_channels")).items()
        },
        defaults=_texts(said.get("default_channels"), variables) or DEFAULTS,
        channels=_texts(said.get("channels"), variables) or ("defaults",),
        mirrors={
            name: _texts(places, variables)
            for name, places in _mapping(said.get("mirrored_channels")).items()
        },
    )


def _files(variables: Mapping[str, str], home: Path, root: Path) -> Iterator[Path]:
    settings = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    yield from (root / "etc/conda/.condarc", root / "etc/conda/condarc", settings / "conda/.condarc")
    yield from (home / ".conda/.condarc", home / ".condarc")
    if named := variables.get("CONDARC"):
        yield Path(named)


def _read(file: Path) -> Mapping[str, object]:
    import yaml

    try:
        said = yaml.safe_load(file.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        # its words may quote a line with a password in it
        raise InputError(
            f"conda's settings cannot be read: {file} ({type(error).__name__}).", hint="Correct the file."
        ) from None
    return said if isinstance(said, dict) else {}


def _mapping(value: object) -> Mapping[str, object]:
    return {str(name): each for name, each in value.items()} if isinstance(value, dict) else {}


def _texts(value: object, variables: Mapping[str, str]) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return tuple(_text(each, variables) for each in values)


def _text(value: object, variables: Mapping[str, str]) -> str:
    return expanded(str(value), variables).rstrip("/")
