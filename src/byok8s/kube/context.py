"""Which cluster, and who we are to it: a kubeconfig's context, or the service account of the pod we run in.

The official client reads the kubeconfig and runs its exec plugins; nothing else of it is used, because its
low-level names changed in releases 36 and 37 and its typed API costs a second of import time.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from byok8s.errors import ClusterError, InputError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass
class _ClientConfiguration:
    """The fields of the official client's Configuration that its loaders set."""

    host: str = ""
    api_key: dict[str, str] = field(default_factory=dict)
    refresh_api_key_hook: Callable[[_ClientConfiguration], None] | None = None
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_ssl: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None


class Context:
    """A cluster's address, our credentials for it, and the namespace that the user has set.

    name: of the kubeconfig's context; None means its current one, or the pod's service account where there
        is no kubeconfig.
    Raises InputError where there is no such context, ClusterError where there is no kubeconfig that can be
    read, and where an exec plugin fails.
    """

    def __init__(self, name: str | None = None) -> None:
        self.namespace: str | None = None
        self._asked_for = name
        self._in_cluster = (
            not any(path.is_file() for path in _kubeconfig_files()) and SERVICE_ACCOUNT.is_dir()
        )
        self.name = "in-cluster" if self._in_cluster else self._choose(name)
        self._loaded = self._load()

    @property
    def server(self) -> str:
        return self._loaded.host.rstrip("/")

    @property
    def proxy(self) -> str | None:
        return self._loaded.proxy

    @property
    def tls_server_name(self) -> str | None:
        return self._loaded.tls_server_name

    def bearer_token(self) -> str | None:
        """The token for the next request, renewed where its exec plugin gave an expiry that has come."""
        if self._loaded.refresh_api_key_hook:
            self._loaded.refresh_api_key_hook(self._loaded)
        # "authorization" up to release 35 of the client (with the word Bearer), "BearerToken" since
        token = next(iter(self._loaded.api_key.values()), None)
        return token.removeprefix("Bearer ") if token else None

    def renew(self) -> None:
        """Read the credentials again: a 401 came although no expiry was known."""
        self._loaded = self._load()

    def ssl_context(self) -> ssl.SSLContext:
        """For the cluster's CA and our client certificate."""
        context = ssl.create_default_context(cafile=self._loaded.ssl_ca_cert)
        # Python 3.13 is strict about CA certificates without a key usage extension; many clusters have one
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self._loaded.verify_ssl:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self._loaded.cert_file:
            context.load_cert_chain(self._loaded.cert_file, self._loaded.key_file)
        return context

    def _choose(self, name: str | None) -> str:
        from kubernetes.config import kube_config

        files = ", ".join(map(str, _kubeconfig_files()))
        if not any(path.is_file() for path in _kubeconfig_files()):
            raise ClusterError(
                f"There is no kubeconfig at {files}.",
                hint="Set KUBECONFIG to your cluster's file, or run on this machine with --local.",
            )
        try:
            contexts, current = kube_config.list_kube_config_contexts(config_file=_kubeconfig())
        except Exception as error:
            raise ClusterError(
                f"The kubeconfig at {files} cannot be read.", where=_one_line(error)
            ) from error
        wanted = name or current["name"]
        for context in contexts:
            if context["name"] == wanted:
                self.namespace = context["context"].get("namespace")
                return str(wanted)
        raise InputError(
            f"The kubeconfig has no context named {name!r}.",
            where=f"Looked in {files}; it has: {', '.join(sorted(c['name'] for c in contexts)) or 'none'}.",
            hint="Name one of these with --context.",
        )

    def _load(self) -> _ClientConfiguration:
        settings = _ClientConfiguration()
        try:
            if self._in_cluster:
                from kubernetes.config import incluster_config

                incluster_config.load_incluster_config(client_configuration=settings)
                self.namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
            else:
                from kubernetes.config import kube_config

                kube_config.load_kube_config(
                    config_file=_kubeconfig(),
                    context=self.name,
                    client_configuration=settings,
                    persist_config=False,
                )
        except Exception as error:
            raise ClusterError(
                f"The credentials of context {self.name!r} cannot be loaded.",
                where=_one_line(error),
                hint="Try `kubectl get pods` with the same context; your cloud may want a login.",
            ) from error
        return settings


def _kubeconfig() -> str:
    return os.environ.get("KUBECONFIG") or "~/.kube/config"


def _kubeconfig_files() -> list[Path]:
    return [Path(part).expanduser() for part in _kubeconfig().split(os.pathsep) if part]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
