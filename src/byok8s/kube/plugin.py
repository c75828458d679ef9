"""Exec plugins: commands that print credentials, as those of EKS, GKE and AKS do.

(https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins)
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from byok8s.kube.credentials import NEVER, Credentials
from byok8s.kube.errors import LOG_IN_AGAIN, NoCredentials
from byok8s.kube.kubeconfig import KubeconfigEntry
from byok8s.kube.objects import Json, Object, get_in, items, mapping, text

TERMINAL_SECONDS = 300.0  # for somebody who is asked something
SECONDS = 60.0
EXTENSION = "client.authentication.k8s.io/exec"
SHOWN_LINES, SHOWN_CHARACTERS = 3, 500


@dataclass(frozen=True)
class Plugin:
    """command: with its arguments. environment: beside ours. request: what it is told of us and the cluster.

    asks: its interactiveMode. install_hint: where to get it, by the kubeconfig.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    request: Object
    asks: str
    install_hint: str

    def run(self, *, terminal: bool) -> Credentials:
        """terminal: whether it may ask whoever sits there, where anybody does.

        Raises NoCredentials: it is not there, fails, takes too long or prints something else.
        """
        terminal = terminal and self.asks != "Never" and sys.stdin.isatty() and sys.stderr.isatty()
        if self.asks == "Always" and not terminal:
            raise self._failed("wants to ask something, and there is no terminal to ask at")
        seconds = TERMINAL_SECONDS if terminal else SECONDS
        try:
            done = subprocess.run(
                self.command,
                env={**os.environ, **self.environment, "KUBERNETES_EXEC_INFO": self._info(terminal)},
                stdin=None if terminal else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if terminal else subprocess.PIPE,
                timeout=seconds,
                start_new_session=not terminal,  # without a terminal, and out of reach of our Ctrl-C
                check=False,
            )
        except FileNotFoundError as error:
            raise self._failed("is not installed") from error
        except OSError as error:
            raise self._failed(f"cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"gave nothing within {seconds:.0f} s") from error
        if done.returncode:
            raise self._failed(f"ended with exit code {done.returncode}{_last_words(done.stderr)}")
        try:
            return _credentials(json.loads(done.stdout))
        except ValueError as error:
            raise self._failed("printed no ExecCredential that can be used") from error

    def _info(self, terminal: bool) -> str:
        return json.dumps(
            {**self.request, "spec": {**mapping(self.request, "spec"), "interactive": terminal}}
        )

    def _failed(self, why: str) -> NoCredentials:
        return NoCredentials(
            "There are no credentials for the cluster.",
            where=f"The kubeconfig's exec plugin `{' '.join(self.command)}` {why}.",
            hint=self.install_hint or LOG_IN_AGAIN,
        )


def plugin(user: KubeconfigEntry, cluster: KubeconfigEntry) -> Plugin | None:
    """The user's, where it has one. Raises OSError or ValueError if the cluster's CA cannot be read."""
    given = get_in(user.fields, "exec")
    if not isinstance(given, dict):
        return None
    command = text(given, "command")
    if os.sep in command:  # else it is looked for along PATH
        command = str(user.folder / command)
    words = get_in(given, "args")
    spec: dict[str, Json] = {}
    if given.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(cluster)
    return Plugin(
        command=(command, *(str(word) for word in words if word is not None))
        if isinstance(words, list)
        else (command,),
        environment={text(item, "name"): text(item, "value") for item in items(given, "env")},
        request={"apiVersion": text(given, "apiVersion"), "kind": "ExecCredential", "spec": spec},
        asks=text(given, "interactiveMode") or "IfAvailable",
        install_hint=" ".join(text(given, "installHint").split()),
    )


def _cluster_info(cluster: KubeconfigEntry) -> dict[str, Json]:
    same = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")
    info = {key: cluster.fields[key] for key in same if key in cluster.fields}
    if ca := cluster.content("certificate-authority"):
        info["certificate-authority-data"] = base64.b64encode(ca.encode()).decode()
    for extension in items(cluster.fields, "extensions"):
        if extension.get("name") == EXTENSION:
            info["config"] = extension.get("extension")
    return info


def _credentials(printed: Json) -> Credentials:
    """Raises ValueError if there are none in it."""
    status = get_in(printed, "status")
    token, certificate, key = (text(status, k) for k in ("token", "clientCertificateData", "clientKeyData"))
    if not token and not (certificate and key):
        raise ValueError("neither a token nor a certificate with its key")
    return Credentials(
        authorization=f"Bearer {token}" if token else "",
        certificate=certificate if key else "",
        key=key if certificate else "",
        expire=_seconds(text(status, "expirationTimestamp")),
    )


def _seconds(timestamp: str) -> float:
    if not timestamp:
        return NEVER
    moment = datetime.fromisoformat(timestamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _last_words(stderr: bytes | None) -> str:
    if not stderr:
        return ""
    lines = stderr.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
    words = " ".join(" ".join(lines).split())[-SHOWN_CHARACTERS:]
    return f": {words.rstrip('.')}"
