"""Credentials of a file that is written again while they are in use: in a pod by the kubelet, elsewhere by a tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials, ReadOnlyCredentials, SharedCredentialProvider


def follow_file(core: Any) -> None:
    """Have a session of botocore read its credentials' file again whenever that changes.

    Credentials of the environment, of a role or of single sign-on come before the file's, as always; botocore renews
    those itself.
    """
    path = core.get_config_variable("credentials_file")
    provider = _Following(creds_filename=path, profile_name=core.profile or "default")
    core.get_component("credential_provider").insert_before(SharedCredentialProvider.METHOD, provider)


class _Following(SharedCredentialProvider):  # type: ignore[misc]
    METHOD = "byok8s-credentials-file"

    def __init__(self, creds_filename: str, profile_name: str) -> None:
        super().__init__(creds_filename=creds_filename, profile_name=profile_name)
        self._path = Path(creds_filename).expanduser()

    def load(self) -> Credentials | None:
        found = super().load()
        return found and _OfFile(found, self._path, super().load)


class _OfFile(Credentials):  # type: ignore[misc]
    """What a file says now. botocore asks it for each request that it signs."""

    def __init__(self, found: Credentials, path: Path, load: Callable[[], Credentials | None]) -> None:
        super().__init__(found.access_key, found.secret_key, found.token, _Following.METHOD)
        self._path, self._load = path, load
        self._frozen: ReadOnlyCredentials = found.get_frozen_credentials()
        self._written = _written(path)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        written = _written(self._path)
        if written != self._written and (found := self._load()):
            # as one value: other threads sign meanwhile
            self._frozen, self._written = found.get_frozen_credentials(), written
        return self._frozen


def _written(path: Path) -> tuple[int, int]:
    """Return what tells one version of a file from another: the kubelet changes a link, and keeps no time."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino
