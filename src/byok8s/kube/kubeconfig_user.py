"""The credentials of a user of a kubeconfig."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from byok8s.kube.credentials import Credentials
from byok8s.kube.kubeconfig import KubeconfigEntry
from byok8s.kube.objects import get_in, mapping, text, texts
from byok8s.kube.plugin import plugin

IMPERSONATES = ("as-uid", "as-groups", "as-user-extra")
OF_HEADERS = "!#$&'*+-.^_`|~"  # what a header's name may hold besides letters and digits (RFC 9110)
TOKEN_FILE_SECONDS = (
    60.0  # after which it is read again; the kubelet writes a new one long before one expires
)


def credentials(user: KubeconfigEntry, cluster: KubeconfigEntry, *, terminal: bool) -> Credentials:
    """Return what a request to the cluster shows. terminal: whether an exec plugin may ask somebody.

    Raises NoCredentials when an exec plugin fails, OSError when a file cannot be read, and ValueError for what
    contradicts itself.
    """
    _check(user)
    certificate, key = user.content("client-certificate"), user.content("client-key")
    if certificate and not key:
        raise ValueError("it names a client-certificate and no client-key")
    found = _token(user)
    if not found.authorization and (command := plugin(user, cluster)):
        found = command.run(terminal=terminal)
    if not found.certificate:
        found = replace(found, certificate=certificate, key=key)
    return replace(found, impersonation=tuple(_impersonation(user)))


def without_secrets(user: KubeconfigEntry) -> Credentials:
    """Return what is shown to a server that is not encrypted to, as kubectl shows it: as whom we act, and no more.

    Raises ValueError for what contradicts itself.
    """
    _check(user)
    return Credentials(impersonation=tuple(_impersonation(user)))


def acts_as(user: KubeconfigEntry) -> str:
    """Return in words as whom the user of a kubeconfig acts; nothing when it is as itself."""
    groups = texts(user.fields, "as-groups")
    return user.text("as") + (f" in {', '.join(groups)}" if groups else "")


def _check(user: KubeconfigEntry) -> None:
    if (user.text("token") or user.path("tokenFile")) and user.text("username"):
        raise ValueError("it names both a token and a username, and only one of them can be meant")
    if not user.text("as") and any(user.fields.get(name) for name in IMPERSONATES):
        raise ValueError(f"it names {' or '.join(IMPERSONATES)} to act with, and nobody to act as")


def _impersonation(user: KubeconfigEntry) -> Iterator[tuple[str, str]]:
    """Yield the headers by which kubectl says as whom it acts."""
    if name := user.text("as"):
        yield "Impersonate-User", _one_line(name)
    for group in texts(user.fields, "as-groups"):
        yield "Impersonate-Group", _one_line(group)
    if uid := user.text("as-uid"):
        yield "Impersonate-Uid", _one_line(uid)
    extra = mapping(user.fields, "as-user-extra")
    for key in extra:
        for value in texts(extra, key):
            yield f"Impersonate-Extra-{quote(key, safe=OF_HEADERS)}", _one_line(value)


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"it names {value!r} to act as, which no header can hold")
    return value


def _token(user: KubeconfigEntry) -> Credentials:
    """In the order of kubectl: of a token and a file of one, the file counts."""
    if path := user.path("tokenFile"):
        return Credentials(f"Bearer {path.read_text().strip()}", expire=time.time() + TOKEN_FILE_SECONDS)
    if token := user.text("token") or _token_of_provider(user):
        return Credentials(f"Bearer {token.strip()}")
    if name := user.text("username"):
        basic = base64.b64encode(f"{name}:{user.text('password')}".encode()).decode()
        return Credentials(f"Basic {basic}")
    return Credentials()


def _token_of_provider(user: KubeconfigEntry) -> str:
    """Return the token that kubectl has left in the kubeconfig; to get another is kubectl's business."""
    config = get_in(user.fields, "auth-provider", "config")
    return text(config, "id-token") or text(config, "access-token")
