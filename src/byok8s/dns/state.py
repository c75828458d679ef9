"""How the cluster's DNS is, as far as we may look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from urllib.parse import urlencode

from byok8s.dns import managed
from byok8s.kube import ApiError, KubeClient, Object
from byok8s.kube.errors import FORBIDDEN, NOT_FOUND
from byok8s.kube.objects import Json, get_in, items, mapping, text

NAMESPACE = "kube-system"
# By this label the Service finds the pods, whichever of the two they are; Helm's chart of CoreDNS alone has another.
SELECTOR = "k8s-app in (kube-dns,coredns)"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
FIX = "byok8s cluster fix-dns"
# CoreDNS since 1.2.3, and before: https://github.com/coredns/coredns/blob/master/plugin/loop/loop.go
LOG_SHOWS_LOOP = re.compile(r"plugin/loop: (?:Loop \(.*\) detected for zone|Seen .* loop detected)")
LOG_LINES = 50
# A container that has just been started again may seem to be well until it finds the loop again.
STEADY = timedelta(seconds=60)


class DnsKind(Enum):
    """Which DNS a cluster has, in words."""

    COREDNS = "CoreDNS"
    KUBE_DNS = "kube-dns"
    NONE = "none"
    UNSEEN = "not known: we may not look"


@dataclass(frozen=True)
class DnsState:
    """The DNS that the cluster's pods ask.

    kind: UNSEEN where we may not list pods of kube-system, and then nothing else is known.
    ready, wanted: pods. pods: their names; without those that are being deleted.
    looping: CoreDNS has found that it forwards to itself, and ends for that. crashing: a container of it ends again and
        again, for this or another reason.
    managed: the provider whose this DNS is, as in "GKE"; empty if it is the cluster's owner's. instead: what that
        provider wants in place of a change of the DNS' own configuration.
    config_map: the name of the ConfigMap with its configuration, which need not be there.
    """

    kind: DnsKind
    ready: int = 0
    wanted: int = 0
    pods: tuple[str, ...] = ()
    looping: bool = False
    crashing: bool = False
    managed: str = ""
    instead: str = ""
    config_map: str = ""

    @property
    def problem(self) -> str:
        """One sentence; empty if the DNS is well, as far as can be seen. It may be well and yet not answer."""
        if self.kind is DnsKind.UNSEEN:
            return ""
        if self.kind is DnsKind.NONE:
            # a provider may run it where nobody sees it: Cloud DNS for GKE, Auto Mode of EKS
            return (
                "" if self.managed else f"The cluster has no DNS: no pod in {NAMESPACE} has the label of one."
            )
        if self.looping:
            return f"The cluster's DNS is broken: {self.kind.value} forwards names to itself, finds that out and ends."
        if self.crashing:
            return f"The cluster's DNS is broken: {self.kind.value} crashes again and again ({self.count})."
        if not self.ready:
            return f"The cluster's DNS does not run: {self.kind.value} has {self.count}."
        return ""

    @property
    def fix(self) -> str:
        """What fixes the problem: a command, or what to do where no command can; empty without one."""
        if not self.problem:
            return ""
        if self.kind is DnsKind.NONE:
            return "Install CoreDNS: https://github.com/coredns/deployment/tree/master/kubernetes"
        if self.looping:
            return f"This DNS is managed by {self.managed}: {self.instead}" if self.managed else FIX
        if self.crashing:
            return f"kubectl logs -n {NAMESPACE} --previous {self.pods[0]}"
        if self.pods:
            return f"kubectl describe pod -n {NAMESPACE} {self.pods[0]}"
        return f"kubectl scale -n {NAMESPACE} deployment -l '{SELECTOR}' --replicas=2"

    @property
    def words(self) -> str:
        """The problem and what fixes it; empty without one."""
        return f"{self.problem} {self.fix}".strip()

    @property
    def count(self) -> str:
        return f"{self.ready} of {self.wanted} pods ready"


def look(client: KubeClient) -> DnsState:
    """How the cluster's DNS is, in four requests, and a few more where a pod is not well. Changes nothing.

    Each right that is missing takes away what it is for: without listing pods in kube-system nothing is known, without
    listing Deployments the pods that there are count as wanted, without logs a loop is a crash like others.
    Raises Unreachable, NoCredentials, and ApiError for an answer that is not about rights.
    """
    pods = _seen(client, PODS)
    if pods is None:
        return DnsState(DnsKind.UNSEEN)
    pods = [pod for pod in pods if not text(pod, "metadata", "deletionTimestamp")]
    deployments = _seen(client, DEPLOYMENTS) or []
    version = text(client.get("/version"), "gitVersion")
    kind = _kind([*pods, *deployments])
    name = _config_map_name(kind, [*pods, *deployments])
    if not pods and not deployments:
        groups = [text(group, "name") for group in items(client.get("/apis"), "groups")]
        return DnsState(DnsKind.NONE, managed=managed.out_of_sight(version, groups))
    provider = managed.provider(
        managed.signs(version, [*pods, *deployments], read_config_map(client, name) or {})
    )
    unsteady = _unsteady(client, pods)
    return DnsState(
        kind,
        ready=sum(is_ready(pod) for pod in pods),
        wanted=sum(_replicas(deployment) for deployment in deployments) if deployments else len(pods),
        pods=tuple(text(pod, "metadata", "name") for pod in pods),
        looping=kind is DnsKind.COREDNS and any(_shows_loop(client, pod) for pod in unsteady),
        crashing=any(_crashes(pod) for pod in unsteady),
        managed=provider.name if provider else "",
        instead=provider.instead if provider else "",
        config_map=name,
    )


def is_ready(pod: Object) -> bool:
    conditions = items(pod, "status", "conditions")
    return any(text(found, "type") == "Ready" and text(found, "status") == "True" for found in conditions)


def _seen(client: KubeClient, path: str) -> list[dict[str, Json]] | None:
    """The DNS' objects there; None if we may not look."""
    try:
        return client.find(path, SELECTOR)
    except ApiError as error:
        if error.code != FORBIDDEN:
            raise
        return None


def read_config_map(client: KubeClient, name: str) -> Object | None:
    """None if it is not there, or not for us to see."""
    try:
        return client.get(f"{CONFIG_MAPS}/{name}")
    except ApiError as error:
        if error.code not in {FORBIDDEN, NOT_FOUND}:
            raise
        return None


def _kind(objects: Sequence[Object]) -> DnsKind:
    """Of pods and Deployments, by their containers."""
    containers = [container for obj in objects for container in items(_pod_spec(obj), "containers")]
    named = " ".join(f"{text(container, 'name')} {text(container, 'image')}" for container in containers)
    return DnsKind.KUBE_DNS if "kubedns" in named and "coredns" not in named else DnsKind.COREDNS


def _config_map_name(kind: DnsKind, objects: Sequence[Object]) -> str:
    """kube-dns' has that name; CoreDNS' is the one that its pods mount a Corefile from, mostly `coredns`."""
    if kind is DnsKind.KUBE_DNS:
        return "kube-dns"
    volumes = [volume for obj in objects for volume in items(_pod_spec(obj), "volumes")]
    mounted = (
        text(volume, "configMap", "name")
        for volume in volumes
        if any(text(item, "key") == "Corefile" for item in items(volume, "configMap", "items"))
    )
    return next(mounted, "coredns")


def _pod_spec(obj: Object) -> Object:
    return mapping(obj, "spec", "template", "spec") or mapping(obj, "spec")


def _replicas(deployment: Object) -> int:
    wanted = get_in(deployment, "spec", "replicas")
    return wanted if isinstance(wanted, int) else 1


def _unsteady(client: KubeClient, pods: Sequence[Object]) -> list[Object]:
    """Those that are not ready, or were started again so lately that they may end again."""
    restarted = any(_restarts(status) for pod in pods for status in _containers(pod))
    now = client.now() if restarted else datetime.now(UTC)
    return [
        pod
        for pod in pods
        if not is_ready(pod)
        or any(_restarts(status) and now - _started(status, now) < STEADY for status in _containers(pod))
    ]


def _crashes(pod: Object) -> bool:
    """Of a pod that is unsteady."""
    return any(
        text(status, "state", "waiting", "reason") == "CrashLoopBackOff"
        or (_restarts(status) > 1 and get_in(status, "lastState", "terminated", "exitCode") not in {0, None})
        for status in _containers(pod)
    )


def _containers(pod: Object) -> list[dict[str, Json]]:
    return items(pod, "status", "containerStatuses")


def _restarts(status: Object) -> int:
    count = get_in(status, "restartCount")
    return count if isinstance(count, int) else 0


def _started(status: Object, now: datetime) -> datetime:
    since = text(status, "state", "running", "startedAt")
    return datetime.fromisoformat(since) if since else now


def _shows_loop(client: KubeClient, pod: Object) -> bool:
    """In the log of its container that ended, or of the one that runs."""
    return any(LOG_SHOWS_LOOP.search(log) for log in _logs(client, pod))


def _logs(client: KubeClient, pod: Object) -> Iterator[str]:
    names = [text(container, "name") for container in items(pod, "spec", "containers")]
    container = next((name for name in names if "coredns" in name), names[0])
    for previous in ("true", "false"):
        query = urlencode({"container": container, "previous": previous, "tailLines": LOG_LINES})
        # there is none, or it is not for us to read
        with suppress(ApiError):
            yield client.get_text(f"{PODS}/{text(pod, 'metadata', 'name')}/log?{query}")
