"""A kubeconfig as kubectl reads it.

Several files count as one, in which what comes first is right.
(https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files)
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from byok8s.kube.objects import Object, items, mapping, text

KINDS = {"clusters": "cluster", "contexts": "context", "users": "user"}


@dataclass(frozen=True)
class KubeconfigEntry:
    """A cluster, context or user. folder: of its file, where relative paths in it begin."""

    fields: Object
    folder: Path

    def text(self, key: str) -> str:
        return text(self.fields, key)

    def path(self, key: str) -> Path | None:
        """The file that is named there."""
        named = self.text(key)
        return self.folder / Path(named).expanduser() if named else None

    def content(self, key: str) -> str:
        """What is there as `key`-data, or in the file that `key` names; empty if there is neither.

        Raises OSError or ValueError if it cannot be read.
        """
        if data := self.text(f"{key}-data"):
            return base64.b64decode(data).decode()
        path = self.path(key)
        return path.read_text() if path else ""


@dataclass(frozen=True)
class Kubeconfig:
    """Entries by their names. current: the name of the context to take where none is named."""

    clusters: Mapping[str, KubeconfigEntry]
    contexts: Mapping[str, KubeconfigEntry]
    users: Mapping[str, KubeconfigEntry]
    current: str


def files() -> list[Path]:
    """Where kubectl looks, whether or not there is anything."""
    named = os.environ.get("KUBECONFIG") or "~/.kube/config"
    return [Path(part).expanduser() for part in named.split(os.pathsep) if part]


def read(paths: Sequence[Path]) -> Kubeconfig:
    """A file that is not there is passed over. Raises OSError, or ValueError for what is no kubeconfig."""
    import yaml

    entries: dict[str, dict[str, KubeconfigEntry]] = {kind: {} for kind in KINDS}
    current = ""
    for path in paths:
        if not path.is_file():
            continue
        try:
            content = yaml.safe_load(path.read_text()) or {}
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: {error}") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path} holds no mapping")  # noqa: TRY004 - of the file's content, not of a call
        current = current or text(content, "current-context")
        for kind, key in KINDS.items():
            for item in items(content, kind):
                entry = KubeconfigEntry(mapping(item, key), path.absolute().parent)
                entries[kind].setdefault(text(item, "name"), entry)
    return Kubeconfig(**entries, current=current)


def of_pod(service_account: Path, environment: Mapping[str, str]) -> Kubeconfig:
    """What a pod is given for its service account, as a kubeconfig. Raises OSError if it is given none."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    if not host or not port:
        raise OSError("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    namespace = (service_account / "namespace").read_text().strip()
    name = "in-cluster"
    return Kubeconfig(
        {name: KubeconfigEntry({"server": server, "certificate-authority": "ca.crt"}, service_account)},
        {name: KubeconfigEntry({"cluster": name, "user": name, "namespace": namespace}, service_account)},
        {name: KubeconfigEntry({"tokenFile": "token"}, service_account)},
        name,
    )
