"""Changing what the cluster's DNS forwards to, and taking that back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from byok8s.access.check import missing
from byok8s.access.preflight import check_namespace
from byok8s.access.rights import DNS_RIGHTS, PROBE_RIGHTS
from byok8s.dns.answer import CLUSTER_NAME, PodMade, ask
from byok8s.dns.change import Change, forwarding, undoing
from byok8s.dns.corefile import MOST_SERVERS, check_servers
from byok8s.dns.state import (
    CONFIG_MAPS,
    NAMESPACE,
    PODS,
    SELECTOR,
    DnsKind,
    DnsState,
    is_ready,
    look,
    read_config_map,
)
from byok8s.errors import ClusterError
from byok8s.kube import ApiError, KubeClient, Object
from byok8s.kube.errors import CONFLICT
from byok8s.kube.objects import text

READY_SECONDS = 120.0
POLL_SECONDS = 1.0
READY_POLLS = 3  # in a row: one that finds a loop may seem ready before it ends


@dataclass(frozen=True)
class DnsPlan:
    """What would be done to a DNS that may be changed. cluster: its context and address."""

    cluster: str
    state: DnsState
    change: Change

    @property
    def needed(self) -> bool:
        """Whether its pods are to be restarted: for a change, or since they do not run."""
        return not self.change.is_empty or bool(self.state.problem)


def plan(client: KubeClient, namespace: str, servers: Sequence[str]) -> DnsPlan:
    """That the DNS forwards to these servers. Changes nothing. namespace: where a pod of ours is to ask it.

    Raises ClusterError if there is no DNS, or none that we may change, and InputError for servers that cannot be.
    """
    check_servers(servers, MOST_SERVERS)  # before anybody waits for a cluster
    return _plan(
        client,
        namespace,
        lambda state, config_map: forwarding(state.kind, state.config_map, config_map, servers),
    )


def plan_undo(client: KubeClient, namespace: str) -> DnsPlan:
    """That it forwards to what it did before. Raises also InputError if there is nothing to undo."""
    return _plan(client, namespace, lambda _, config_map: undoing(config_map))


def _plan(client: KubeClient, namespace: str, change: Callable[[DnsState, Object | None], Change]) -> DnsPlan:
    check_namespace(client, namespace)
    state = look(client)
    _check_ours(state)
    _check_rights(client, namespace)
    cluster = f"{client.context.name}, {client.context.server}"
    return DnsPlan(cluster, state, change(state, read_config_map(client, state.config_map)))


def apply(client: KubeClient, change: Change) -> None:
    """Raises ClusterError if somebody has changed the ConfigMap since it was read, or we may not."""
    path = f"{CONFIG_MAPS}/{change.config_map}"
    try:
        if not change.version:
            client.post(CONFIG_MAPS, change.body())
        elif change.whole:
            client.delete(path, {"preconditions": {"resourceVersion": change.version}})
        else:
            client.patch(path, change.body())
    except ApiError as error:
        if error.code != CONFLICT:
            raise
        raise ClusterError(
            f"The ConfigMap {change.config_map} was changed by somebody else in this moment.",
            hint="Look again: the same command shows the change as it would be now.",
        ) from error


def restart(client: KubeClient, wanted: int) -> None:
    """Delete the DNS' pods, which their Deployment makes again, and wait until so many are ready.

    A pod that is ready goes only when the others are ready with the new configuration: one that does not work leaves
    the cluster with what it has. Raises ClusterError if none becomes ready, or they crash.
    """
    pods = _pods(client)
    ready = [pod for pod in pods if is_ready(pod)]
    deleted: set[str] = set()
    for batch in ([pod for pod in pods if pod not in ready], *([pod] for pod in ready)):
        if batch:
            for pod in batch:
                client.delete(f"{PODS}/{text(pod, 'metadata', 'name')}")
            deleted |= {text(pod, "metadata", "uid") for pod in batch}
            _await_ready(client, wanted, deleted)


def check_answers(client: KubeClient, namespace: str, hosts: Iterable[str], made: PodMade) -> Sequence[str]:
    """The names that a pod of ours in this namespace finds: one of the cluster, and these.

    Raises ClusterError if it does not find one of them, or does not come to run.
    """
    answers = ask(client, namespace, [CLUSTER_NAME, *hosts], made)
    if failed := {name: why for name, why in answers.items() if why}:
        raise _no_answer(failed)
    return list(answers)


def _check_ours(state: DnsState) -> None:
    if state.kind is DnsKind.UNSEEN:
        raise ClusterError(
            f"You may not look at the cluster's DNS: you have no right to list pods in {NAMESPACE}.",
            hint="Whoever runs the cluster has it, and may run this command; docs/rights.md has all that it needs.",
        )
    if state.managed:
        raise ClusterError(
            f"This cluster's DNS is managed by {state.managed}, which sets back what others change in it.",
            hint=f"What is wanted instead: {state.instead}" if state.instead else "",
        )
    if state.kind is DnsKind.NONE or not state.wanted:
        raise ClusterError(state.problem, hint=state.fix)


def _check_rights(client: KubeClient, namespace: str) -> None:
    lacking = [
        f"{right.verb} {right.group_resource} in {place}"
        for place, rights in ((NAMESPACE, DNS_RIGHTS), (namespace, PROBE_RIGHTS))
        for right in missing(client, place, rights)
    ]
    if lacking:
        raise ClusterError(
            "You may not fix the cluster's DNS.",
            where=f"Missing: {'; '.join(lacking)}.",
            hint="Whoever runs the cluster has these rights, and may run this command.",
        )


def _pods(client: KubeClient) -> list[Object]:
    return [pod for pod in client.find(PODS, SELECTOR) if not text(pod, "metadata", "deletionTimestamp")]


def _await_ready(client: KubeClient, wanted: int, deleted: set[str]) -> None:
    until, polls = time.monotonic() + READY_SECONDS, 0
    while polls < READY_POLLS:
        time.sleep(POLL_SECONDS)
        ready = sum(is_ready(pod) for pod in _pods(client) if text(pod, "metadata", "uid") not in deleted)
        polls = polls + 1 if ready >= wanted else 0
        if polls:
            continue
        state, over = look(client), time.monotonic() > until
        # one that has crashed once may have had its configuration from before
        if state.crashing or (over and not ready):
            raise ClusterError(
                "With this configuration the cluster's DNS does not run.",
                where=state.problem or f"{state.kind.value}: {state.count} after {READY_SECONDS:.0f} s.",
                hint="Pods of it that were ready were left as they are.",
            )
        if over:  # for another reason, as too few nodes; whether it answers is seen next
            return


def _no_answer(failed: Mapping[str, str]) -> ClusterError:
    where = "\n".join(f"{name}: {why}." for name, why in failed.items())
    if CLUSTER_NAME in failed:
        return ClusterError(
            "The cluster's DNS runs, and does not answer in a pod.",
            where=where,
            hint="A NetworkPolicy that forbids port 53, or nodes that do not reach each other, have this effect.",
        )
    return ClusterError(
        "DNS answers for the cluster's own names, and not for others.",
        where=where,
        hint="Can the nodes reach the servers that it forwards to? Try those of your own network: on a node, "
        "`resolvectl dns` or /run/systemd/resolve/resolv.conf names them.",
    )
