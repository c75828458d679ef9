"""Credentials for conda's channels that this machine has: of rattler and pixi, of mamba, and of ~/.netrc."""

from __future__ import annotations

import base64
import binascii
import json
import netrc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from byok8s.errors import InputError

BASIC: Final = "basic"
BEARER: Final = "bearer"
TOKEN: Final = "token"  # noqa: S105 - the kind of one that is a part of the address


@dataclass(frozen=True)
class Login:
    """Credentials. kind: BASIC, BEARER or TOKEN. user: "" unless it is BASIC."""

    kind: str
    secret: str
    user: str = ""

    def __repr__(self) -> str:
        return f"Login({self.kind})"


class Logins:
    """Those of a machine. known: by a host, a host and the beginning of a path, or *.DOMAIN; the first counts first."""

    def __init__(self, known: Sequence[tuple[str, Login]], of_hosts: netrc.netrc | None = None) -> None:
        self._known, self._of_hosts = known, of_hosts

    def of(self, address: str) -> Login | None:
        """Return the credentials for a channel, None if there are none."""
        found = next((login for place, login in self._known if _is_below(address, place)), None)
        host = urlsplit(address).hostname or ""
        if found or not self._of_hosts or not (entry := self._of_hosts.authenticators(host)):
            return found
        return Login(BASIC, entry[2] or "", entry[0])


def _is_below(address: str, place: str) -> bool:
    parts = urlsplit(address)
    if place.startswith("*."):
        domain = place.removeprefix("*.")
        return parts.hostname == domain or str(parts.hostname).endswith(f".{domain}")
    host, _, path = place.removeprefix(f"{parts.scheme}://").rstrip("/").partition("/")
    return host in {parts.netloc, parts.hostname} and f"{parts.path}/".startswith(
        f"/{path}/" if path else "/"
    )


def read(variables: Mapping[str, str], home: Path) -> Logins:
    """Read what this machine has. Raises InputError for a file that cannot be read."""
    rattler = [home / ".rattler/credentials.json"]
    if named := variables.get("RATTLER_AUTH_FILE"):
        rattler.insert(0, Path(named))
    known = [entry for file in rattler for entry in _of_rattler(_read(file))]
    mamba = home / ".mamba/auth/authentication.json"
    try:
        known += _of_mamba(_read(mamba))
    except binascii.Error as error:
        raise _unreadable(mamba, error) from None
    return Logins(known, _netrc(Path(variables.get("NETRC") or home / ".netrc")))


def _read(file: Path) -> Mapping[str, Mapping[str, object] | object]:
    try:
        content = json.loads(file.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from None
    return content if isinstance(content, dict) else {}


def _netrc(file: Path) -> netrc.netrc | None:
    try:
        return netrc.netrc(str(file))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError) as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> InputError:
    # an error's own words may quote what is secret
    return InputError(
        f"The credentials for conda's channels cannot be read: {file} ({type(error).__name__}).",
        hint="Correct the file.",
    )


def _of_rattler(content: Mapping[str, object]) -> Iterator[tuple[str, Login]]:
    for place, entry in content.items():
        for kind, value in entry.items() if isinstance(entry, dict) else ():
            if kind == "BearerToken":
                yield place, Login(BEARER, str(value))
            elif kind == "CondaToken":
                yield place, Login(TOKEN, str(value))
            elif str(kind).lower() == "basichttp" and isinstance(value, dict):
                yield place, Login(BASIC, str(value.get("password") or ""), str(value.get("username") or ""))


def _of_mamba(content: Mapping[str, object]) -> list[tuple[str, Login]]:
    found = []
    for place, entry in content.items():
        if isinstance(entry, dict) and (login := _of_mamba_entry(entry)):
            found.append((place, login))
    return sorted(found, key=lambda each: -len(each[0]))  # mamba takes the longest


def _of_mamba_entry(entry: Mapping[str, object]) -> Login | None:
    token = str(entry.get("token") or "")
    match entry.get("type"):
        case "CondaToken":
            return Login(TOKEN, token)
        case "BearerToken":
            return Login(BEARER, token)
        case "BasicHTTPAuthentication":
            password = base64.b64decode(str(entry.get("password") or "")).decode(errors="replace")
            return Login(BASIC, password, str(entry.get("user") or ""))
    return None
