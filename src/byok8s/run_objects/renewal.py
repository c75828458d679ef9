"""Renews the S3 credentials in a run's Secret, if they end before the run does; workers read them again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from byok8s.errors import Byok8sError

EVERY_SECONDS: Final = 60.0


class Renewal:
    """A thread that looks now and then whether this machine's credentials are others."""

    def __init__(
        self,
        known: Mapping[str, str],
        look: Callable[[], Mapping[str, str]],
        put: Callable[[Mapping[str, str]], None],
        warn: Callable[[str], None],
        every: float = EVERY_SECONDS,
    ) -> None:
        """known: what the Secret has. look: returns what it should have, or raises Byok8sError. put: changes it.

        warn: is told once, until all is well again, that they cannot be renewed. every: seconds between looks.
        """
        self._known, self._look, self._put, self._warn = known, look, put, warn
        self._every, self._warned, self._over = every, False, threading.Event()
        self._thread = threading.Thread(target=self._live, name="credentials", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """End it, also if it never began. What it is about is not waited for."""
        self._over.set()

    def _live(self) -> None:
        while not self._over.wait(self._every):
            try:
                self._renew()
            except Byok8sError as error:
                if not self._warned and not self._over.is_set():
                    self._warn(
                        f"The S3 credentials of the pods cannot be renewed: {error} It is tried again."
                    )
                self._warned = True
            else:
                self._warned = False

    def _renew(self) -> None:
        found = self._look()
        if found and found != self._known:
            self._put(found)
            self._known = found
