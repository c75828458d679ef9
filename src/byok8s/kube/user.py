"""What a user of a kubeconfig has to show to the cluster."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

from byok8s.kube.credentials import Credentials
from byok8s.kube.json import get_in, text
from byok8s.kube.kubeconfig import Entry
from byok8s.kube.plugin import plugin

TOKEN_FILE_SECONDS = (
    60.0  # after which it is read again; the kubelet writes a new one long before one expires
)


def credentials(user: Entry, cluster: Entry, *, terminal: bool) -> Credentials:
    """terminal: whether an exec plugin may ask somebody.

    Raises NoCredentials where an exec plugin fails, OSError or ValueError where a file cannot be read.
    """
    certificate, key = user.content("client-certificate"), user.content("client-key")
    found = _token(user)
    if not found.authorization and (command := plugin(user, cluster)):
        found = command.run(terminal=terminal)
    if found.certificate:
        return found
    return replace(found, certificate=certificate, key=key)


def _token(user: Entry) -> Credentials:
    """In the order of kubectl: of a token and a file of one, the file counts."""
    if path := user.path("tokenFile"):
        return Credentials(f"Bearer {path.read_text().strip()}", expire=time.time() + TOKEN_FILE_SECONDS)
    if token := user.text("token") or _token_of_provider(user):
        return Credentials(f"Bearer {token.strip()}")
    if name := user.text("username"):
        basic = base64.b64encode(f"{name}:{user.text('password')}".encode()).decode()
        return Credentials(f"Basic {basic}")
    return Credentials()


def _token_of_provider(user: Entry) -> str:
    """The one that kubectl has left in the kubeconfig; to get another is kubectl's business."""
    config = get_in(user.fields, "auth-provider", "config")
    return text(config, "id-token") or text(config, "access-token")
