"""What we may do in the namespace, verb by verb, and what is lost without each."""

from __future__ import annotations

from collections.abc import Mapping

from byok8s.access.check import missing
from byok8s.access.rights import HELPFUL_RIGHTS, RIGHTS, STREAM_RIGHTS, Right
from byok8s.doctor.check import Check, failed, ok, warning
from byok8s.kube import KubeClient

NAMES = tuple(dict.fromkeys(right.group_resource for right in (*RIGHTS, *STREAM_RIGHTS, *HELPFUL_RIGHTS)))
ALONE = "Without it each job gets a pod of its own, which is slower"
DONE_WITHOUT = "A run does without"


def look(client: KubeClient, namespace: str) -> list[Check]:
    """Raises ClusterError if the API cannot be asked."""
    asked = (*RIGHTS, *STREAM_RIGHTS, *HELPFUL_RIGHTS)
    lacking = missing(client, namespace, asked)
    return checks({right: right not in lacking for right in asked}, namespace)


def checks(answers: Mapping[Right, bool], namespace: str) -> list[Check]:
    """One for each right. answers: whether we have it."""
    return [_check(right, yes, namespace) for right, yes in answers.items()]


def _check(right: Right, yes: bool, namespace: str) -> Check:
    name = right.group_resource
    if yes:
        return ok(name, right.verb)
    words = f"{right.verb} is not allowed; it is for {right.purpose}"
    role = f"byok8s rbac -k {namespace} | kubectl apply -f -   (by whoever may grant rights)"
    if right in RIGHTS:
        return failed(name, words, role)
    return warning(name, f"{words}. {ALONE if right in STREAM_RIGHTS else DONE_WITHOUT}", role)
