"""Whether DNS answers in a pod, asked in one."""

from __future__ import annotations

import ipaddress
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from byok8s.errors import ClusterError
from byok8s.kube import KubeClient
from byok8s.kube.objects import Json, Object
from byok8s.pods import template
from byok8s.pods.manifest import CONTAINER, container_security, pod_security
from byok8s.pods.names import Names
from byok8s.pods.outcome import State, outcome
from byok8s.pods.pod_options import parse, part_of_pod
from byok8s.settings import Settings, default_image

SCRIPT = Path(__file__).with_name("lookup.py")
CLUSTER_NAME = "kubernetes.default.svc"  # in every cluster, whatever its domain
LOOKUP_SECONDS = 15
POD_SECONDS = 300.0  # its image may have to be pulled first
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class PodMade:
    """How our pod is made, beside what it does.

    image: with Python. said: the part of a Pod that the user has put in words, which counts over ours; template: that
    which is merged under ours.
    """

    image: str
    said: Object = field(default_factory=dict)
    template: Object = field(default_factory=dict)


def pod_made(settings: Settings) -> PodMade:
    """Raises InputError if the options of a pod or its template cannot be used."""
    words = parse(json.dumps(settings.pod or {}))
    path = settings.pod_template
    return PodMade(
        settings.image or default_image(),
        part_of_pod(words),
        json.loads(template.load(Path(path))) if path else {},
    )


def outside(endpoint_url: str | None) -> Sequence[str]:
    """The S3 server's name, which pods must find; none where it is an address."""
    host = urlsplit(endpoint_url).hostname or "" if endpoint_url else "s3.amazonaws.com"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return [host] if host else []
    return []


def ask(client: KubeClient, namespace: str, names: Sequence[str], made: PodMade) -> Mapping[str, str]:
    """Of each name why a pod in this namespace does not find it, in its resolver's words; empty if it does.

    The names are tried for LOOKUP_SECONDS. The pod is removed. Raises ClusterError if it does not come to run.
    """
    run = Names(f"dns-{secrets.token_hex(4)}")
    pods = f"/api/v1/namespaces/{namespace}/pods"
    try:
        client.post(pods, _pod(run, names, made))
        _await_end(client, pods, run)
        answer = client.get_text(f"{pods}/{run.owner}/log")
    finally:
        with suppress(ClusterError):  # it ends by itself, and what is wrong is being said
            client.delete(f"{pods}/{run.owner}", {"gracePeriodSeconds": 0})
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise ClusterError(
            "The pod that was to look names up did something else.",
            where=answer.strip()[-500:],
            hint=f"Has the image {made.image} a program named python? Name another with --image.",
        ) from error
    return {name: str(found[name]) for name in names}


def _await_end(client: KubeClient, pods: str, run: Names) -> None:
    until = time.monotonic() + POD_SECONDS
    while True:
        pod = next(iter(client.find(pods, run.selector)), None)
        state = outcome(pod) if pod else None
        if state and state.ended:
            return
        if state is None or state.state is State.STUCK or time.monotonic() > until:
            why = state.why if state else "it is gone"
            raise ClusterError(
                "Whether DNS answers is not known: the pod that was to ask did not run.",
                where=f"Pod {run.owner}: {why or 'it has not ended in time'}.",
            )
        time.sleep(POLL_SECONDS)


def _pod(run: Names, names: Sequence[str], made: PodMade) -> Object:
    amounts: dict[str, Json] = {"cpu": "100m", "memory": "64M"}
    ours: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": run.owner, "labels": dict(run.labels)},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(POD_SECONDS),  # should nobody remove it
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(),
            "containers": [
                {
                    "name": CONTAINER,
                    "image": made.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-c", SCRIPT.read_text(), str(LOOKUP_SECONDS), *names],
                    "resources": {"requests": amounts, "limits": dict(amounts)},
                    "securityContext": container_security(),
                }
            ],
        },
    }
    return template.merge(template.merge(made.said, ours), made.template, CONTAINER)
