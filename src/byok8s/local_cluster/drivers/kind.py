"""kind: a node is a container. Read in its source, v0.33: pkg/cmd/kind/{create,delete,get,load}."""

from __future__ import annotations

from pathlib import Path

from byok8s.local_cluster.drivers import NAME, not_installed
from byok8s.local_cluster.tools import Tool


class Kind:
    name = "kind"
    install = "https://kind.sigs.k8s.io/docs/user/quick-start/#installation"
    own_cluster = True
    cluster = NAME
    removal = f"kind delete cluster --name {NAME}"

    def __init__(self, kind: Tool, kubeconfig: Path) -> None:
        self._kind = kind
        self._named = ("--name", NAME)
        self._kubeconfig = ("--kubeconfig", str(kubeconfig))

    def why_not(self) -> str:
        if not self._kind.is_installed:
            return not_installed(self)
        answer = self._kind.ask("get", "clusters")  # asks the container runtime, with docker by `docker ps`
        return answer.words if answer.code else ""

    def exists(self) -> bool:
        return NAME in clusters(self._kind.read("get", "clusters"))

    def up(self) -> None:
        if self.exists():
            self.down()  # it has no command that starts a stopped cluster
        self._kind.do("create", "cluster", *self._named, *self._kubeconfig, "--wait", "5m")

    def down(self) -> None:
        self._kind.do("delete", "cluster", *self._named, *self._kubeconfig)

    def load(self, archive: Path, image: str) -> None:  # noqa: ARG002 - it is in the archive
        self._kind.do("load", "image-archive", str(archive), *self._named)


def clusters(output: str) -> list[str]:
    """Of `kind get clusters`: a name a line; where there is none, that is said on standard error."""
    return output.split()
