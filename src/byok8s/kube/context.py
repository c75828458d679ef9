"""Which cluster, and who we are to it: a kubeconfig's context, or the service account of the pod we run in.

We read the kubeconfig ourselves. The official client's loader costs half a second of import, takes the last of several
files' current-context where kubectl takes the first, goes on without credentials when an exec plugin fails, and
runs it once for each thread.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from byok8s.errors import ClusterError, InputError
from byok8s.kube import kubeconfig, kubeconfig_user
from byok8s.kube.credentials import CredentialCache, Credentials
from byok8s.kube.errors import LOG_IN_AGAIN, NoCredentials
from byok8s.kube.kubeconfig import Kubeconfig, KubeconfigEntry
from byok8s.kube.proxy import proxy_from_environment

CAS = ("certificate-authority", "certificate-authority-data")
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Context:
    """A cluster's address, our credentials for it, and the namespace that the user has set.

    asked_for: the name of a kubeconfig's context; None means its current one, or the pod's service account where
        there is no kubeconfig.
    files: kubeconfigs to read in the place of the user's.
    Raises InputError if there is no such context or it cannot be used, ClusterError if there is no kubeconfig
    that can be read.
    """

    def __init__(self, asked_for: str | None = None, files: Sequence[Path] | None = None) -> None:
        self._files = files or kubeconfig.files()
        found = _read(self._files)
        self.name = _choose(found, asked_for, self._files)
        context = found.contexts[self.name]
        self.namespace = context.text("namespace") or None
        self._user = context.text("user")
        self._cluster = found.clusters.get(context.text("cluster"), KubeconfigEntry({}, Path()))
        self.server = self._cluster.text("server").rstrip("/")
        self._insecure = self._cluster.fields.get("insecure-skip-tls-verify") is True
        self.tls_server_name = self._cluster.text("tls-server-name") or None
        self.proxy = self._cluster.text("proxy-url") or proxy_from_environment(self.server, os.environ)
        self.acts_as = kubeconfig_user.acts_as(found.users.get(self._user, KubeconfigEntry({}, Path())))
        self._check()
        self._terminal = True  # until the first credentials are there; later nobody expects a question
        self._cache = CredentialCache(self._obtain)

    def credentials(self) -> Credentials:
        """For the next request, renewed where they are about to expire. Raises NoCredentials."""
        return self._cache.current()

    def renew(self, refused: Credentials) -> Credentials:
        """After a 401: what to show instead, or the same where there is nothing else. Raises NoCredentials."""
        return self._cache.renewed(refused)

    def ssl_context(self, credentials: Credentials) -> ssl.SSLContext:
        """For the cluster's CA and our client certificate. Raises NoCredentials if one of them is none."""
        try:
            ca = self._cluster.content("certificate-authority")
            context = ssl.create_default_context(cadata=ca or None)
            # Python 3.13 is strict about CA certificates without a key usage extension; many clusters have one
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            if self._insecure:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if credentials.certificate:
                _load_certificate(context, credentials)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise self._unreadable(error) from error
        return context

    def _check(self) -> None:
        if not self.server.startswith(("https://", "http://")):
            raise InputError(
                f"Context {self.name!r} of the kubeconfig names no cluster with a server.",
                where=f"Looked in {_names(self._files)}.",
            )
        if self._insecure and any(map(self._cluster.text, CAS)):
            raise InputError(
                f"The cluster of context {self.name!r} names a certificate authority, and says not to verify by it.",
                where=f"certificate-authority and insecure-skip-tls-verify in {_names(self._files)}.",
                hint="Take one of the two away; kubectl takes no such kubeconfig either.",
            )
        if self.proxy and not self.proxy.startswith("http://"):
            raise InputError(
                f"The proxy to the cluster cannot be used: {self.proxy.rpartition('@')[2]}.",
                where="It is the kubeconfig's proxy-url, or the environment's HTTPS_PROXY.",
                hint="Name one whose address begins with http://, which serves for https:// servers too.",
            )

    def _obtain(self) -> Credentials:
        """From the kubeconfig as it is now: a login may have written into it since."""
        try:
            entry = _read(self._files).users.get(self._user, KubeconfigEntry({}, Path()))
            if self.server.startswith("http://"):  # who is not encrypted to is told no secret
                return kubeconfig_user.without_secrets(entry)
            found = kubeconfig_user.credentials(entry, self._cluster, terminal=self._terminal)
        except (OSError, ValueError, ClusterError) as error:
            if isinstance(error, NoCredentials):
                raise
            raise self._unreadable(error) from error
        self._terminal = False
        return found

    def _unreadable(self, error: Exception) -> NoCredentials:
        return NoCredentials(
            f"The credentials of context {self.name!r} cannot be read.",
            where=_one_line(error),
            hint=LOG_IN_AGAIN,
        )


def _read(paths: Sequence[Path]) -> Kubeconfig:
    try:
        if any(path.is_file() for path in paths):
            return kubeconfig.read(paths)
        if SERVICE_ACCOUNT.is_dir():
            return kubeconfig.of_pod(SERVICE_ACCOUNT, os.environ)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"The kubeconfig at {_names(paths)} cannot be read.", where=_one_line(error)
        ) from error
    raise ClusterError(
        f"There is no kubeconfig at {_names(paths)}.",
        hint="Set KUBECONFIG to your cluster's file, or run on this machine with --local.",
    )


def _choose(found: Kubeconfig, asked_for: str | None, paths: Sequence[Path]) -> str:
    name = asked_for or found.current
    if name in found.contexts:
        return name
    raise InputError(
        f"The kubeconfig has no context named {name!r}."
        if name
        else "The kubeconfig has no current context.",
        where=f"Looked in {_names(paths)}; it has: {', '.join(sorted(found.contexts)) or 'none'}.",
        hint="Name one of these with --context.",
    )


def _load_certificate(context: ssl.SSLContext, credentials: Credentials) -> None:
    """OpenSSL takes certificates from files only."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "client.pem"
        file.touch(mode=0o600)
        file.write_text(f"{credentials.certificate}\n{credentials.key}")
        context.load_cert_chain(file)


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
