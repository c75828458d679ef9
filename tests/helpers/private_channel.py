"""A server of conda channels that wants credentials: below /basic those of a user, below /private a token's path."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from serving import Quiet, served

USER: Final = "ada"
PASSWORD: Final = "pass-8f3a/word"
CHANNEL_TOKEN: Final = "to-5e1d-ken"
_BASIC: Final = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class _Guarded(Quiet):
    def do_GET(self) -> None:  # noqa: N802
        self._answer(super().do_GET)

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer(super().do_HEAD)

    def _answer(self, answer: Callable[[], None]) -> None:
        with_token = f"/t/{CHANNEL_TOKEN}/private/"
        basic = self.path.startswith("/basic/") and self.headers["Authorization"] == _BASIC
        if not basic and not self.path.startswith(with_token):
            self.send_error(401)
            return
        self.path = "/" + self.path.removeprefix("/basic/" if basic else with_token)
        answer()


def guarded(folder: Path, host: str = "127.0.0.1") -> AbstractContextManager[str]:
    """Give the address of a server of a folder's channels."""
    return served(folder, host, _Guarded)
