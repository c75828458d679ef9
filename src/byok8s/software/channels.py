"""Where the channels of an environment are, as this machine understands them, and how pods may get at them.

Credentials are taken out of addresses here: what is left may be read by all, the rest goes into the run's Secret.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from byok8s.errors import InputError
from byok8s.software import condarc, logins
from byok8s.software.condarc import ALIAS, Condarc
from byok8s.software.logins import BASIC, BEARER, TOKEN, Login, Logins
from byok8s.software.spec import Spec
from byok8s.worker.channels import Access

NO_DEFAULTS: Final = "nodefaults"
# what stands for itself, and not for a variable's value
_CREDENTIALS: Final = re.compile(r"https?://(?P<user>[^/\s@$:]*)(?::(?P<password>[^/\s@$]+))?@")
_TOKEN: Final = re.compile(r"(?:^|/)t/(?P<token>[^/]+)(?=/|$)")
_LITERAL_TOKEN: Final = re.compile(r"(?:^|/)t/[^/$<]+/")
_MASKED: Final = "<TOKEN>"  # as conda writes a token that is not to be seen
_OF_PIP: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")


@dataclass(frozen=True)
class Plan:
    """What a pod is told of an environment: texts and addresses without a secret; and what it needs beyond that."""

    yaml: str
    pin: str
    channels: tuple[str, ...]
    access: Access


class Channels:
    """What this machine knows of channels. Reads its files once, when they are asked for."""

    def __init__(
        self, alias: str, variables: Mapping[str, str] = os.environ, home: Path | None = None
    ) -> None:
        """alias: in place of conda's usual server, and of the one that conda's own settings name; "" for neither.

        Raises InputError for one with credentials.
        """
        refuse_in_alias(alias)
        self._alias, self._variables, self._home = alias, variables, home or Path.home()
        self._known: tuple[Condarc, Logins] | None = None

    def plan(self, spec: Spec) -> Plan:
        """Return what a pod is told of an environment. Raises InputError if it cannot be told."""
        import yaml

        said = _read(spec)
        named = [str(name) for name in said.pop("channels", None) or []]
        pip = [line for each in said.get("dependencies") or [] for line in _pip_lines(each)]
        _refuse_secrets(spec, named, [*pip, *spec.pin.splitlines()])
        self._check_variables(spec, named)
        settings, known = self._knowledge()
        places = _Places(settings, known, self._alias or settings.alias)
        addresses = [
            places.channel(condarc.expanded(name, self._variables)) for name in _named(named, settings)
        ]
        pin = "\n".join(map(places.pinned, spec.pin.splitlines()))
        variables = {
            name: self._variables[name] for name in _OF_PIP.findall("\n".join(pip)) if name in self._variables
        }
        access = places.access.with_all_of(
            Access(variables=variables, hidden=tuple(filter(None, variables.values())))
        )
        return Plan(yaml.safe_dump(said, sort_keys=False), pin, tuple(addresses), access)

    def _knowledge(self) -> tuple[Condarc, Logins]:
        if self._known is None:
            self._known = (
                condarc.read(self._variables, self._home),
                logins.read(self._variables, self._home),
            )
        return self._known

    def _check_variables(self, spec: Spec, named: Sequence[str]) -> None:
        for found in condarc.VARIABLE.finditer("\n".join(named)):
            name = found["braced"] or found["plain"]
            if name not in self._variables:
                raise InputError(
                    f"The conda environment {spec.source} names a channel by the variable {name}, which is not set.",
                    hint=f"Set it: export {name}=...",
                )


def refuse_in_alias(alias: str) -> None:
    """Raise InputError for a mirror's address with credentials, which a command line and a record would show."""
    if _CREDENTIALS.search(alias) or _LITERAL_TOKEN.search(f"{alias}/"):
        raise InputError(
            "The address of --channel-alias has credentials in it, which the record of the run would show.",
            hint="Leave them out there, and put them into ~/.netrc, or into ~/.condarc as its channel_alias.",
        )


def _read(spec: Spec) -> dict[str, Any]:
    import yaml

    try:
        said = yaml.safe_load(spec.yaml) or {}
    except yaml.YAMLError as error:
        # its own words quote the line, which may have a password in it
        mark = getattr(error, "problem_mark", None)
        line = f"It is no YAML at line {mark.line + 1}." if mark else "It is no YAML."
        raise InputError(f"The conda environment {spec.source} cannot be read.", where=line) from None
    if not isinstance(said, dict):
        raise InputError(f"The conda environment {spec.source} cannot be read.", where="It is no mapping.")
    return said


def _named(named: Sequence[str], settings: Condarc) -> Iterator[str]:
    for name in named or settings.channels:
        if name == "defaults":
            yield from settings.defaults
        elif name != NO_DEFAULTS:
            yield name


def _pip_lines(dependency: object) -> Iterator[str]:
    if isinstance(dependency, dict):
        yield from map(str, dependency.get("pip") or [])


def _refuse_secrets(spec: Spec, channels: Sequence[str], lines: Sequence[str]) -> None:
    """Refuse what stands in files of the workflow: they go to pods in ConfigMaps, and are read by many."""
    secret = any(_CREDENTIALS.search(name) or _LITERAL_TOKEN.search(name) for name in channels) or any(
        (found := _CREDENTIALS.search(line)) and found["password"] for line in lines
    )
    if secret:
        raise InputError(
            f"The conda environment {spec.source} has credentials in an address, which everybody could read who may "
            "read the workflow's files.",
            hint="Write ${NAME} in their place, and export NAME, as with conda; or leave them out and put them into "
            "~/.netrc.",
        )


class _Places:
    """Gathers what is needed to get at the channels of an environment."""

    def __init__(self, settings: Condarc, known: Logins, alias: str) -> None:
        self._settings, self._known, self._alias = settings, known, alias
        self.access = Access()

    def channel(self, name: str) -> str:
        """Return the address of a channel, without credentials."""
        address = self._at(name)
        mirrors = self._settings.mirrors.get(name) or (address,)
        clean, _ = _taken_apart(address)
        targets = [self._reached(each) for each in mirrors]
        if targets != [clean]:
            self._add(Access(mirrors={f"{clean}/": [f"{target}/" for target in targets]}))
        return clean

    def pinned(self, line: str) -> str:
        """Return a line of a pin file, with the address that a package has here."""
        if "://" not in line or line.startswith(("#", "@")):
            return line
        package, mark, checksum = line.strip().partition("#")
        channel, *rest = package.rsplit("/", 2)
        return "/".join([self.channel(channel), *rest]) + mark + checksum

    def _at(self, name: str) -> str:
        if "://" in name:
            return (
                name.replace(ALIAS, self._alias, 1) if self._alias and name.startswith(f"{ALIAS}/") else name
            )
        return f"{self._settings.custom.get(name) or self._alias or ALIAS}/{name}"

    def _reached(self, address: str) -> str:
        """Return where requests for an address go, and note what they have to have with them."""
        clean, own = _taken_apart(address)
        login = own or self._known.of(clean)
        if login is None:
            return clean
        self._add(Access(hidden=tuple(filter(None, _forms(login)))))
        if login.kind == TOKEN:
            # where it was, or else where rattler has it
            return _without_user(address) if own else _with_token(clean, login.secret)
        self._add(Access(headers={f"{clean}/": _header(login)}))
        return clean

    def _add(self, access: Access) -> None:
        self.access = self.access.with_all_of(access)


def _taken_apart(address: str) -> tuple[str, Login | None]:
    """Return an address without credentials, and those."""
    parts = urlsplit(address.rstrip("/"))
    clean = urlunsplit(
        parts._replace(netloc=parts.netloc.rpartition("@")[2], path=_TOKEN.sub("", parts.path))
    )
    found = _TOKEN.search(parts.path)
    if found and found["token"] != _MASKED:
        return clean, Login(TOKEN, found["token"])
    if parts.username or parts.password:
        return clean, Login(BASIC, unquote(parts.password or ""), unquote(parts.username or ""))
    if "@" in clean:
        raise InputError(
            "In the address of a conda channel, a password cannot be told from its host.",
            hint="Write / as %2F, @ as %40 and : as %3A in it; or put it into ~/.netrc.",
        )
    return clean, None


def _without_user(address: str) -> str:
    parts = urlsplit(address.rstrip("/"))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _with_token(address: str, token: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path=f"/t/{token}{parts.path}"))


def _header(login: Login) -> str:
    if login.kind == BEARER:
        return f"Bearer {login.secret}"
    return f"Basic {_packed(login)}"


def _packed(login: Login) -> str:
    return base64.b64encode(f"{login.user}:{login.secret}".encode()).decode()


def _forms(login: Login) -> Iterator[str]:
    """Tell how a secret may be met in a text."""
    # a token may be the name of the user, without a password
    secret = login.secret or login.user
    yield secret
    yield quote(secret, safe="")
    if login.kind == BASIC:
        yield _packed(login)
