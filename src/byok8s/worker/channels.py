"""How the pod that makes an environment gets at channels that want credentials, or that have mirrors.

What it knows is in the run's Secret. Addresses of packages stay without it, as they are kept in the environment.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from rattler.networking import Client

FILE: Final = "channels.json"
HIDDEN: Final = "***"
MOST_RETRIES: Final = 3


@dataclass(frozen=True)
class Access:
    """What a pod has to know beyond the addresses of channels.

    headers: an Authorization, by the address of what it is for. mirrors: where a channel really is, which may be more
    than one place, by its address. variables: those that pip's lines of an environment name. hidden: what nobody may
    read. Addresses end with a slash.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Access:
        """Return what a pod has been given; nothing if it needs nothing."""
        file = folder / FILE
        return cls(**json.loads(file.read_text())) if file.is_file() else cls()

    def to_json(self) -> str:
        """Return it as the file that `read` reads; "" if there is nothing to know."""
        return json.dumps(asdict(self)) if self != Access() else ""

    def with_all_of(self, other: Access) -> Access:
        """Return what both know."""
        return Access(
            {**self.headers, **other.headers},
            {**self.mirrors, **other.mirrors},
            {**self.variables, **other.variables},
            tuple(dict.fromkeys([*self.hidden, *other.hidden])),
        )

    def hide(self, text: str) -> str:
        """Return a text without what nobody may read."""
        for secret in sorted(self.hidden, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def has_credentials_for(self, host: str) -> bool:
        """Return whether any are sent to a host."""
        tokens = [place for places in self.mirrors.values() for place in places if self.hide(place) != place]
        return any(urlsplit(place).hostname == host for place in [*self.headers, *tokens])

    def authorization(self, host: str, path: str) -> dict[str, str] | None:
        """Return the header of a request, by the longest address that it is below."""
        fitting = [
            place
            for place in self.headers
            if urlsplit(place).hostname == host and path.startswith(urlsplit(place).path)
        ]
        return {"Authorization": self.headers[max(fitting, key=len)]} if fitting else None

    def client(self) -> Client:
        """Return what fetches packages."""
        from rattler import networking

        mirrors = {channel: list(places) for channel, places in self.mirrors.items()}
        # in this order: what comes later sees the request as it is then. The last four are rattler's own
        return networking.Client(
            [
                networking.RetryMiddleware(MOST_RETRIES),
                networking.MirrorMiddleware(mirrors),
                networking.AddHeadersMiddleware(self.authorization),
                networking.AuthenticationMiddleware(),
                networking.OciMiddleware(),
                networking.GCSMiddleware(),
                networking.S3Middleware(),
            ]
        )


class Hiding(io.TextIOBase):
    """Writes on without what nobody may read."""

    def __init__(self, to: TextIO, access: Access) -> None:
        self._to, self._access = to, access

    def write(self, text: str) -> int:
        self._to.write(self._access.hide(text))
        return len(text)

    def flush(self) -> None:
        self._to.flush()
