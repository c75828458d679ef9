"""Whether names resolve in pods, and what is broken where they do not. Values in, a check out."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from byok8s.dns.state import FIX, DnsKind, DnsState
from byok8s.doctor.check import Check, failed, ok, skipped, warning
from byok8s.worker.probe import CLUSTER_NAME, Seen

NAME = "DNS"
SPARED = "S3 at an address is reached without it, so a run can work; jobs that ask for names cannot"


def check(state: DnsState, host: str, seen: Seen | None, resolves_here: Callable[[str], bool]) -> Check:
    """state: of the cluster's DNS. host: of the S3 server, empty if none is named. seen: by a pod, None if
    there was none.
    """
    if seen is None:
        return _unvisited(state, host)
    why = seen.unresolved.get(CLUSTER_NAME)
    if why is not None:
        broken = f"DNS is broken in this cluster: {CLUSTER_NAME} does not resolve in a pod ({why})"
        return _broken(state, f"{broken}. {state.problem}", spared=seen.host not in seen.unresolved)
    if seen.host not in seen.unresolved:
        return _well(state, ", ".join(f"{name} is {address}" for name, address in seen.addresses.items()))
    if not resolves_here(seen.host):
        return ok(NAME, f"it works, and {seen.host} is no host for it, nor for this machine")
    return failed(
        NAME,
        f"{seen.host} does not resolve in a pod ({seen.unresolved[seen.host]}), though it does on this machine and "
        f"{CLUSTER_NAME} does in the pod: the name is known to your network alone, or the cluster's DNS asks the wrong "
        f"servers. {state.problem}".rstrip(),
        f"{_fix(state)}; or give S3 by its address, as --s3-endpoint-url=http://10.0.0.5:9000",
    )


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unvisited(state: DnsState, host: str) -> Check:
    if state.problem:
        return _broken(state, state.problem, spared=not host or is_address(host))
    return skipped(NAME, f"no pod has asked it; {_pods(state)}")


def _broken(state: DnsState, seen: str, *, spared: bool) -> Check:
    """spared: whether S3 is reached all the same."""
    if spared:
        return warning(NAME, f"{seen.strip()} {SPARED}.", _fix(state))
    return failed(NAME, seen.strip(), _fix(state))


def _fix(state: DnsState) -> str:
    """Also of a DNS that looks well and yet does not answer."""
    if state.managed and not state.fix:
        return f"This DNS is managed by {state.managed}: {state.instead}"
    return state.fix or FIX


def _well(state: DnsState, resolved: str) -> Check:
    if state.problem:
        return warning(NAME, f"it answers ({resolved}), but: {state.problem}", state.fix)
    return ok(NAME, f"{resolved}; {_pods(state)}")


def _pods(state: DnsState) -> str:
    if state.kind is DnsKind.UNSEEN:
        return "its pods are not for us to see"
    return f"{state.kind.value}, {state.count}"
