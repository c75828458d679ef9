"""Found before anything is created: whether the cluster and the bucket can be used, and with which rights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from byok8s.access.check import PATIENCE_SECONDS, missing
from byok8s.access.rights import RIGHTS, Right
from byok8s.errors import ClusterError
from byok8s.kube import ApiError, KubeClient, connect
from byok8s.kube.errors import FORBIDDEN, NOT_FOUND
from byok8s.kube.objects import Object, get_in, text
from byok8s.request import Request

OLDEST_KUBERNETES = (1, 20)
SHARED_MODES = frozenset({"ReadWriteMany", "ReadWriteOnce"})
DEFAULT_CORES = 4  # of a cluster whose nodes may not be listed


@dataclass(frozen=True)
class Cluster:
    """What a run knows of its cluster before it starts.

    threads: the most that a job is given, by the largest node; None if jobs are given what they ask for.
    cores: what the Snakefile knows as workflow.cores.
    """

    context: str
    namespace: str
    version: str
    threads: int | None = None
    cores: int = DEFAULT_CORES


def check_cluster(request: Request, tell: Callable[[str], None] = lambda _: None) -> Cluster:
    """tell: what the user should know of a cluster that is slow to answer.

    Raises InputError for a context that is not there, ClusterError for a cluster that cannot be reached,
    has no such namespace or does not give us the rights.
    """
    client = connect(request.context)
    client.tell = tell
    namespace = request.namespace or client.context.namespace or "default"
    version = text(client.get("/version", patience=PATIENCE_SECONDS), "gitVersion")
    with ThreadPoolExecutor(2) as threads:
        existing = threads.submit(check_namespace, client, namespace)
        claim = threads.submit(check_claim, client, namespace, request.cache) if request.cache else None
        lacking = missing(client, namespace, RIGHTS)
        existing.result()
        if claim:
            claim.result()
    if lacking:
        raise ClusterError(
            f"The cluster does not let you do what a run needs in namespace {namespace!r}.",
            where=f"Missing: {_by_resource(lacking)}.",
            hint=f"Ask the cluster's operator for the Role that `byok8s rbac -k {namespace}` prints, or name another "
            "namespace with -k.",
        )
    return Cluster(client.context.name, namespace, version)


def _by_resource(rights: list[Right]) -> str:
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verbs.setdefault(right.group_resource, []).append(right.verb)
    return "; ".join(f"{resource}: {', '.join(found)}" for resource, found in verbs.items())


def check_namespace(client: KubeClient, namespace: str) -> None:
    """Raises ClusterError if the cluster has no such namespace, Unreachable if it does not answer."""
    _read(
        client,
        f"/api/v1/namespaces/{namespace}",
        f"The cluster has no namespace {namespace!r}.",
        f"Name another with -k, or create it: kubectl create namespace {namespace}",
    )


def check_claim(client: KubeClient, namespace: str, claim: str) -> None:
    """Raises ClusterError if a namespace has no such claim, or one that several pods cannot write to at once."""
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{quote(claim, safe='')}"
    found = _read(
        client,
        path,
        f"Namespace {namespace!r} has no PersistentVolumeClaim {claim!r}, which --cache names.",
        f"Make it, name another (kubectl get pvc -n {namespace}), or leave --cache out.",
    )
    if found is None:
        return
    modes = get_in(found, "spec", "accessModes")
    if not SHARED_MODES.intersection(modes if isinstance(modes, Sequence) else ()):
        raise ClusterError(
            f"The pods of a run cannot all write to the PersistentVolumeClaim {claim!r}, which --cache names.",
            where=f"Its access modes are {modes}, and phase {text(found, 'status', 'phase')}.",
            hint="Name one of ReadWriteMany; of ReadWriteOnce if all pods of the run are at one node.",
        )


def _read(client: KubeClient, path: str, absent: str, hint: str) -> Object | None:
    """Return an object; None if we may not read it, which is a right of its own, and a run does without.

    Raises ClusterError with the words and the hint if there is no such object.
    """
    try:
        return client.get(path, patience=PATIENCE_SECONDS)
    except ApiError as error:
        if error.code == NOT_FOUND:
            where = f"Context {client.context.name!r}, {client.context.server}."
            raise ClusterError(absent, where=where, hint=hint) from error
        if error.code != FORBIDDEN:
            raise
        return None
