"""The tools that can make a cluster on this machine, one module for each."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

NAME: Final = "byok8s"


class Driver(Protocol):
    """A tool, and the one cluster that it makes for us.

    install: where it says how to install it. own_cluster: whether it keeps our cluster apart from others by its
    name, `cluster`; if not, this machine has one, and where it runs already it is used.
    Whatever runs the tool raises ClusterError with its last words when it fails.
    """

    name: str
    install: str
    own_cluster: bool

    @property
    def cluster(self) -> str:
        """The cluster's name in the tool's own words."""

    @property
    def removal(self) -> str:
        """What a user types to remove it without us."""

    def why_not(self) -> str:
        """Why it cannot make a cluster here; empty when it can."""

    def exists(self) -> bool:
        """Whether there is a cluster of this name, whoever made it, also a stopped or a half-made one."""

    def up(self) -> None:
        """Make the cluster, or start it again, and write our kubeconfig."""

    def down(self) -> None:
        """Remove the cluster, or what there is of it."""

    def load(self, archive: Path, image: str) -> None:
        """Put the image of an archive of `docker save` where pods are started."""


def not_installed(driver: Driver) -> str:
    return f"not installed; see {driver.install}"
