"""Whether a namespace's policies take what a run makes besides its pods: found before anything is planned or created.

The API server is asked to look at one object of each kind, creating none: quotas, admission webhooks and policies have
their say. A quota with room for one ConfigMap where a run needs several is found by its numbers, when they may be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from byok8s.errors import ClusterError
from byok8s.kube import ApiError, KubeClient, Object
from byok8s.kube.objects import get_in, items, mapping, text
from byok8s.pods import manifest
from byok8s.pods.names import Names, new_run_id
from byok8s.pods.quantity import quantity

PATHS = {
    "jobs": "/apis/batch/v1/namespaces/{}/jobs",
    "secrets": "/api/v1/namespaces/{}/secrets",
    "configmaps": "/api/v1/namespaces/{}/configmaps",
}
# the worker with the workflow's sources, and the S3 client where an image has none; large sources need more
CONFIG_MAPS = 4
COUNTED = {"jobs.batch": 1, "secrets": 1, "configmaps": CONFIG_MAPS}
NO_DRY_RUN = "does not support dry run"  # of a webhook: then it has its say when the object is made
QUOTA = "exceeded quota"


def check_policies(client: KubeClient, namespace: str, image: str) -> None:
    """Raises ClusterError when a policy refuses the objects of a run, with what to change."""
    names = Names(f"trial-{new_run_id()}")
    objects = _objects(names, image)
    with ThreadPoolExecutor(len(objects) + 1) as threads:
        short = threads.submit(_short, client, namespace)
        list(threads.map(lambda kind: _try(client, namespace, kind, objects[kind]), objects))
    if words := short.result():
        raise ClusterError(
            f"A ResourceQuota of namespace {namespace!r} has no room for the objects of a run.",
            where=f"{'; '.join(words)}.",
            hint=_room(namespace),
        )


def _try(client: KubeClient, namespace: str, kind: str, body: Object) -> None:
    try:
        client.post(PATHS[kind].format(namespace), body, {"dryRun": "All"})
    except ApiError as error:
        if NO_DRY_RUN not in error.message:
            raise _refused(kind, namespace, error) from error


def _objects(names: Names, image: str) -> Mapping[str, Object]:
    none = manifest.owner_reference(names, "00000000-0000-0000-0000-000000000000")
    return {
        "jobs": manifest.owner(names, image, {}),
        "secrets": manifest.secret(names, none, {}),
        "configmaps": manifest.config_map(names, none, 0, {}),
    }


def _refused(kind: str, namespace: str, error: ApiError) -> ClusterError:
    of_quota = QUOTA in error.message or "failed quota" in error.message
    return ClusterError(
        f"Namespace {namespace!r} does not take what a run makes: one of its {kind} is refused.",
        where=str(error),
        hint=_room(namespace)
        if of_quota
        else "A policy of the cluster says so: its operator can change it, or names a namespace for -k where it does "
        "not count.",
    )


def _room(namespace: str) -> str:
    return (
        f"`byok8s clean -k {namespace}` removes what runs left; else ask for a larger quota "
        f"({', '.join(f'{name}: {count} more' for name, count in COUNTED.items())}), or name another namespace with -k."
    )


def _short(client: KubeClient, namespace: str) -> list[str]:
    try:
        quotas = items(client.get(f"/api/v1/namespaces/{namespace}/resourcequotas"), "items")
    except ApiError:  # a right that a run does not need
        return []
    return [words for quota in quotas for words in _short_of(quota)]


def _short_of(quota: Object) -> list[str]:
    found = []
    for name, hard in mapping(quota, "status", "hard").items():
        wanted = COUNTED.get(name.removeprefix("count/"), 0)
        used = get_in(quota, "status", "used", name) or "0"
        if wanted and quantity(used) + wanted > quantity(hard):
            found.append(f"{name}: {used} of {hard} used (quota {text(quota, 'metadata', 'name')})")
    return found
