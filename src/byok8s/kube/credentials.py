"""Who we are to a cluster, for as long as a run lasts: kept while it is good, and renewed once, however many ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from byok8s.kube.errors import NoCredentials

NEVER = float("inf")
# An exec plugin may have a cache of its own, and give the same token until it expires; or our clock may be wrong, and
# all that it gives look expired. It is not run for each request because of that; the server says what it takes.
LEAST_SECONDS = 30.0
AHEAD_SECONDS = 60.0
AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Credentials:
    """authorization: the header, or empty. certificate, key: of the client, as PEM, or empty.

    impersonation: headers that say as whom we act, when it is as somebody else.
    expire: when they do, in seconds since 1970 by the machine's clock, which goes on while it sleeps.
    """

    authorization: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expire: float = NEVER
    impersonation: tuple[tuple[str, str], ...] = ()

    def headers(self) -> list[tuple[str, str]]:
        """Return what every request shows, be it for an answer or for a stream. A name may come several times."""
        shown = [("Authorization", self.authorization)] if self.authorization else []
        return [*shown, *self.impersonation]


class CredentialCache:
    """Keeps the last credentials. Threads that ask while others renew them wait for what these get.

    obtain: called for new ones; raises NoCredentials. One that fails, or gives what is refused too, is asked again
    after AGAIN_SECONDS only: it may be a plugin that opens a browser.
    """

    def __init__(self, obtain: Callable[[], Credentials]) -> None:
        self._obtain = obtain
        self._lock = threading.Lock()
        self._kept: Credentials | None = None
        self._renew_at = 0.0  # by the machine's clock
        self._failure: NoCredentials | None = None
        self._again_at = 0.0  # by the monotonic clock

    def current(self) -> Credentials:
        """Return the credentials for the next request. Raises NoCredentials if none may still be good."""
        with self._lock:
            if self._kept is None or time.time() >= self._renew_at:
                self._renew()
            return self._kept or self._fail()

    def renewed(self, refused: Credentials) -> Credentials:
        """After a 401: others than those refused, where they can be had; else the same, or NoCredentials."""
        with self._lock:
            if self._kept == refused and time.monotonic() >= self._again_at:
                self._kept = None
                self._renew()
                self._again_at = time.monotonic() + AGAIN_SECONDS
            return self._kept or self._fail()

    def _renew(self) -> None:
        if self._failure and time.monotonic() < self._again_at:
            return
        try:
            self._kept, self._failure = self._obtain(), None
        except NoCredentials as error:
            self._failure, self._again_at = error, time.monotonic() + AGAIN_SECONDS
            if self._kept and time.time() >= self._kept.expire:
                self._kept = None
            return
        life = self._kept.expire - time.time()
        self._renew_at = time.time() + max(LEAST_SECONDS, life - min(AHEAD_SECONDS, life / 5))

    def _fail(self) -> Credentials:
        assert self._failure
        raise self._failure
