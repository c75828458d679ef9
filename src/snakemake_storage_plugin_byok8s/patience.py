"""An S3 server that is away for a while is waited for: each request is sent again until it is back.

botocore's own attempts come first, for what is short. This goes on where they end, request by request, so the
parts of a large file that are there already stay, and nothing is done twice that was answered.

Patience is for an outage, not for each request: it ends 120 s (BYOK8S_S3_PATIENCE_SECONDS) after the first
request failed, if none was answered since. What is asked then fails at once, also where Snakemake asks again.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError, SSLError

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = 120.0
_PAUSE_LEAST_S: Final = 0.5
_PAUSE_MOST_S: Final = 5.0
_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_CODES: Final = frozenset({"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable"})


def seconds() -> float:
    """How long an outage is waited for."""
    return float(os.environ.get("BYOK8S_S3_PATIENCE_SECONDS") or _SECONDS)


class Patience:
    """Of one client, in all of its threads.

    server: its address. tell: what the user is to know. on_outage: is told why there is an outage, once it lasts, and
    nothing ("") when it is over, by the thread of the request that showed it.
    """

    def __init__(self, server: str, tell: Callable[[str], None]) -> None:
        self._server, self._tell = server, tell
        self._seconds = seconds()
        self._lock = threading.Lock()
        self._since = self._last = float("-inf")  # when the outage began, and its last failure
        self._away = self._told = self._noted = False
        self.on_outage: Callable[[str], None] = lambda _: None

    def attach(self, client: Any) -> None:
        """Have this boto client wait."""
        # the last to be asked: botocore takes the first answer, and that is its own while it has one
        client.meta.events.register_last("needs-retry.s3", self.needs_retry)

    def end(self) -> None:
        """Wait no more: what is under way fails at its next failure."""
        self._seconds = 0.0

    def needs_retry(
        self,
        attempts: int,
        request_dict: dict[str, Any],
        response: tuple[Any, dict[str, Any]] | None,
        caught_exception: Exception | None,
        **_: object,
    ) -> float | None:
        """As botocore asks after each attempt: the seconds until the next, None for no other.

        attempts: at this request so far. response: what was answered; else caught_exception says why nothing was.
        """
        why = _failure(response, caught_exception)
        if not why:
            self.answered()
            return None
        began: float = request_dict["context"].setdefault("byok8s_began", time.monotonic())
        if self._goes_on(began, attempts, why):
            return min(_PAUSE_LEAST_S * float(2 ** min(attempts - 1, 10)), _PAUSE_MOST_S, self._seconds)
        if caught_exception:
            # or botocore's own attempts, each with its timeout, would go on
            raise caught_exception
        return None

    def _goes_on(self, began: float, attempts: int, why: str) -> bool:
        """began: the first failure of this request."""
        with self._lock:
            now = time.monotonic()
            # after a long silence it is another outage
            if not self._away or now - self._last > self._seconds:
                self._away, self._told, self._since = True, False, now
            self._last = now
            if now - min(self._since, began) >= self._seconds:
                return False
            # one that is over with the third attempt is not worth a word
            if attempts > 2 and not self._told:
                self._told = self._noted = True
                self.on_outage(why)
                self._tell(
                    f"S3 at {self._server} is not available ({why}): waiting up to {self._seconds:.0f} s for it."
                )
            return True

    def answered(self) -> None:
        """Know that the server is there."""
        with self._lock:
            if self._told:
                self._tell(f"S3 at {self._server} is back after {time.monotonic() - self._since:.0f} s.")
            if self._noted:  # also of an outage that lasted longer than it was waited for
                self.on_outage("")
            self._away = self._told = self._noted = False


def _failure(response: tuple[Any, dict[str, Any]] | None, error: Exception | None) -> str:
    """What went wrong that may be over soon; nothing where the server has answered, or never will."""
    if isinstance(error, SSLError):
        return ""
    if isinstance(error, NoConnection | HTTPClientError):
        return type(error).__name__
    if response is None:
        return ""
    http, parsed = response
    code = str(parsed.get("Error", {}).get("Code") or "")
    if http.status_code in _STATUSES or code in _CODES:
        return code if code and not code.isdigit() else f"HTTP status {http.status_code}"
    return ""
