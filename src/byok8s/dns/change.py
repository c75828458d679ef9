"""What is to be changed in the DNS' ConfigMap, and what it was before. Values in, values out."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from byok8s.dns import corefile
from byok8s.dns.state import NAMESPACE, DnsKind
from byok8s.errors import ClusterError, InputError
from byok8s.kube.objects import Json, Object, mapping, text

ANNOTATION = "byok8s.io/dns-before"  # what `undo` needs: the values before the change, and after it
Values = Mapping[str, str | None]


@dataclass(frozen=True)
class Change:
    """Of keys of a ConfigMap.

    before, after: the values of these keys; None if a key is absent. note: the annotation's new value; None if it
    goes. version: the resourceVersion that `before` was read at; empty if the ConfigMap is not there. whole: the
    ConfigMap was made for these keys, has no other, and goes with them.
    """

    config_map: str
    before: Values
    after: Values
    note: str | None
    version: str
    whole: bool = False

    @property
    def is_empty(self) -> bool:
        return self.before == self.after

    def diff(self) -> str:
        """For a person: the lines that change, and three around them."""
        return "\n".join(
            line
            for key in self.before
            for line in (f"ConfigMap {self.config_map}, {key}:", *_diff(self.before[key], self.after[key]))
        )

    def body(self) -> dict[str, Json]:
        """A merge patch, which the API server refuses (409) once the ConfigMap has another version; or a whole one."""
        metadata: dict[str, Json] = {"name": self.config_map, "annotations": {ANNOTATION: self.note}}
        if self.version:
            metadata["resourceVersion"] = self.version
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(self.after)}


def forwarding(kind: DnsKind, name: str, config_map: Object | None, servers: Sequence[str]) -> Change:
    """That the DNS forwards to these servers. config_map: as it is; None if it is not there.

    Raises InputError for servers that cannot be, ClusterError if there is no line to change.
    """
    corefile.check_servers(
        servers, corefile.MOST_OF_KUBE_DNS if kind is DnsKind.KUBE_DNS else corefile.MOST_SERVERS
    )
    held = mapping(config_map or {}, "data")
    if kind is DnsKind.KUBE_DNS:
        # the ConfigMap of kube-dns may be absent, and so may each of its keys
        key, value = "upstreamNameservers", corefile.nameservers(servers)
    elif "Corefile" in held:
        key, value = "Corefile", corefile.with_upstreams(text(held, "Corefile"), servers)
    else:
        raise ClusterError(
            f"{NAMESPACE} has no ConfigMap {name} with a Corefile.",
            hint="Its CoreDNS is configured in another way: change it there.",
        )
    before, after = {key: text(held, key) if key in held else None}, {key: value}
    known = _noted(config_map or {})
    first, created = (known[0], known[2]) if known and known[1] == before else (before, config_map is None)
    note = json.dumps({"before": first, "after": after, "created": created})
    return Change(name, before, after, note, text(config_map or {}, "metadata", "resourceVersion"))


def undoing(config_map: Object | None) -> Change:
    """That it is what it was before `forwarding`.

    Raises InputError if there was no such change, ClusterError if somebody has changed the same keys since.
    """
    noted = _noted(config_map or {})
    if config_map is None or noted is None:
        raise InputError(
            "There is nothing to undo: byok8s has not changed this cluster's DNS, or has undone it."
        )
    before, after, created = noted
    name, held = text(config_map, "metadata", "name"), mapping(config_map, "data")
    found = {key: text(held, key) if key in held else None for key in after}
    if found != after:
        changed = Change(name, after, found, None, "").diff()
        raise ClusterError(
            f"The ConfigMap {name} was edited after byok8s had changed it; to undo that change would lose the edit.",
            where=changed,
            hint=f"Take it back first: kubectl edit configmap -n {NAMESPACE} {name}",
        )
    version = text(config_map, "metadata", "resourceVersion")
    return Change(name, after, before, None, version, whole=created and held.keys() == after.keys())


def _noted(config_map: Object) -> tuple[Values, Values, bool] | None:
    """Before and after the change, and whether the ConfigMap was made for it; None if nothing is noted."""
    try:
        noted = json.loads(text(config_map, "metadata", "annotations", ANNOTATION))
        return dict(noted["before"]), dict(noted["after"]), bool(noted["created"])
    except (ValueError, TypeError, KeyError):
        return None


def _diff(before: str | None, after: str | None) -> list[str]:
    lines = difflib.unified_diff((before or "").splitlines(), (after or "").splitlines(), lineterm="")
    return [f"  {line}" for line in list(lines)[2:] if not line.startswith("@@")]
