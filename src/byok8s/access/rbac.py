"""The rights of a run as Kubernetes objects, for whoever may grant them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from byok8s.errors import InputError

if TYPE_CHECKING:
    from byok8s.access.rights import Right
    from byok8s.kube.objects import Json, Object

GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Subject:
    """Whom a RoleBinding gives its Role to.

    kind: User, Group or ServiceAccount. namespace: of a ServiceAccount, empty for the others.
    """

    kind: str
    name: str
    namespace: str = ""

    @classmethod
    def parse(cls, user: str | None, group: str | None, service_account: str | None) -> Subject | None:
        """The one that is given, or None. service_account: NAMESPACE:NAME.

        Raises InputError for more than one, and for a service account that is written otherwise.
        """
        if sum(given is not None for given in (user, group, service_account)) > 1:
            raise InputError("Of --user, --group and --service-account only one can be given.")
        if user is not None:
            return cls("User", user)
        if group is not None:
            return cls("Group", group)
        if service_account is None:
            return None
        namespace, _, name = service_account.partition(":")
        if not namespace or not name:
            raise InputError(
                f"The service account {service_account!r} is not written NAMESPACE:NAME.",
                hint=f"For example --service-account default:{service_account.strip(':') or 'byok8s'}",
            )
        return cls("ServiceAccount", name, namespace)


def objects(namespace: str, name: str, subject: Subject | None, rights: Iterable[Right]) -> list[Object]:
    """A Role with these rights and the RoleBinding that gives it to `subject`; without a subject, to a
    ServiceAccount that comes first. All have the same name.
    """
    metadata: dict[str, Json] = {"name": name, "namespace": namespace}
    account: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    role: Object = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": _rules(rights),
    }
    binding: Object = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
        "subjects": [_subject(subject or Subject("ServiceAccount", name, namespace))],
    }
    return [role, binding] if subject else [account, role, binding]


def to_yaml(found: Sequence[Object]) -> str:
    """For `kubectl apply -f -`."""
    import yaml

    # one line for each list of words; without a width that would be folded
    return yaml.safe_dump_all(found, sort_keys=False, default_flow_style=None, width=1000).rstrip()


def _rules(rights: Iterable[Right]) -> list[Json]:
    """One for each resource, in the order in which they are first named."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), set()).add(right.verb)
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": [*sorted(found)]}
        for (group, resource), found in verbs.items()
    ]


def _subject(subject: Subject) -> dict[str, Json]:
    if subject.kind == "ServiceAccount":
        return {"kind": subject.kind, "name": subject.name, "namespace": subject.namespace}
    return {"kind": subject.kind, "name": subject.name, "apiGroup": GROUP}
