"""minikube. Read in its source, v1.38: cmd/minikube/cmd/{start,start_flags,delete,image}.go, config/profile_list.go."""

from __future__ import annotations

import json
from pathlib import Path

from byok8s.errors import ClusterError
from byok8s.local_cluster.drivers import NAME, not_installed
from byok8s.local_cluster.tools import Tool

# "The 'none' driver does not support multiple profiles": validateBareMetal in start.go
BARE_METAL = "none"
BARE_METAL_PROFILE = "minikube"


class Minikube:
    """driver: its --driver; None lets it choose. `none` runs Kubernetes on this machine itself, as a cloud VM may."""

    name = "minikube"
    install = "https://minikube.sigs.k8s.io/docs/start/"
    own_cluster = True

    def __init__(self, minikube: Tool, driver: str | None) -> None:
        self._minikube = minikube
        self.cluster = BARE_METAL_PROFILE if driver == BARE_METAL else NAME
        self.removal = f"minikube delete --profile {self.cluster}"
        self._profile = ("--profile", self.cluster)
        chosen = ("--driver", driver) if driver else ()
        # embedded: the kubeconfig works wherever it is taken
        self._start = ("start", *self._profile, "--interactive=false", "--embed-certs", *chosen)

    def why_not(self) -> str:
        if not self._minikube.is_installed:
            return not_installed(self)
        answer = self._minikube.ask(*self._start, "--dry-run")
        return answer.words if answer.code else ""

    def exists(self) -> bool:
        return self.cluster in profiles(self._minikube.read("profile", "list", "--light", "--output", "json"))

    def up(self) -> None:
        self._minikube.do(*self._start)

    def down(self) -> None:
        self._minikube.do("delete", *self._profile)

    def load(self, archive: Path, image: str) -> None:
        self._minikube.do("image", "load", str(archive), *self._profile)
        # it exits with 0 also where it could not: DoLoadImages in pkg/minikube/machine/cache_images.go
        if not has_image(self._minikube.read("image", "ls", *self._profile), image):
            raise ClusterError(
                f"minikube did not load the image {image}.",
                hint=f"`minikube image load {image} --profile {self.cluster} --alsologtostderr` says why.",
            )


def profiles(output: str) -> list[str]:
    """Of `minikube profile list -o json`: also those that it calls invalid, as a start that was killed leaves one."""
    found = json.loads(output)
    return [profile["Name"] for kind in ("valid", "invalid") for profile in found.get(kind) or []]


def has_image(output: str, image: str) -> bool:
    """Of `minikube image ls`, a name a line. It writes names out: docker.io/library/busybox:latest."""
    tagged = image if ":" in image.rpartition("/")[2] else f"{image}:latest"
    return any(line == tagged or line.endswith(f"/{tagged}") for line in output.split())
