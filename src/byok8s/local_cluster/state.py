"""What `byok8s cluster up` has made: written before anything is made, so that a killed `up` can be fixed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from byok8s.errors import InputError
from byok8s.local_cluster import private_file


class ClusterState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """driver: the tool's name. minikube_driver: what --minikube-driver said.
    made: whether the cluster was made by us; else it ran before, is only used, and stays.
    ready: whether it was ever ready; else an `up` was cut off. image: what --image or --image-archive said.
    loaded: the id of the image that was put into the cluster.
    """

    driver: str
    minikube_driver: str | None = None
    made: bool
    ready: bool = False
    image: str | None = None
    loaded: str | None = None


def read(path: Path) -> ClusterState | None:
    """None if nothing was made. Raises InputError for what is no state of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ClusterState)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise InputError(
            "What byok8s noted of its local cluster cannot be read.",
            where=f"{path}: {error}",
            hint="Remove the cluster with the tool that made it, then this file.",
        ) from error


def write(path: Path, state: ClusterState) -> None:
    private_file.write(path, msgspec.json.format(msgspec.json.encode(state), indent=1).decode())
