"""What we may do in the namespace, verb by verb, and what is lost without each."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from byok8s.access.preflight import PATIENCE_SECONDS
from byok8s.access.rights import HELPFUL_RIGHTS, RIGHTS, STREAM_RIGHTS, Right
from byok8s.doctor.check import Check, failed, ok, warning
from byok8s.kube import KubeClient
from byok8s.kube.access import allowed

NAMES = tuple(dict.fromkeys(right.group_resource for right in (*RIGHTS, *STREAM_RIGHTS, *HELPFUL_RIGHTS)))
ALONE = "Without it each job gets a pod of its own, which is slower"
DONE_WITHOUT = "A run does without"


def look(client: KubeClient, namespace: str) -> list[Check]:
    """Raises ClusterError if the API cannot be asked."""
    asked = (*RIGHTS, *STREAM_RIGHTS, *HELPFUL_RIGHTS)
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = threads.map(
            lambda right: allowed(
                client, namespace, right.verb, right.resource, right.group, patience=PATIENCE_SECONDS
            ),
            asked,
        )
        return checks(dict(zip(asked, answers, strict=True)), namespace)


def checks(answers: Mapping[Right, bool], namespace: str) -> list[Check]:
    """One for each right. answers: whether we have it."""
    return [_check(right, yes, namespace) for right, yes in answers.items()]


def _check(right: Right, yes: bool, namespace: str) -> Check:
    name = right.group_resource
    if yes:
        return ok(name, right.verb)
    missing = f"{right.verb} is not allowed; it is for {right.purpose}"
    role = f"byok8s rbac -k {namespace} | kubectl apply -f -   (by whoever may grant rights)"
    if right in RIGHTS:
        return failed(name, missing, role)
    return warning(name, f"{missing}. {ALONE if right in STREAM_RIGHTS else DONE_WITHOUT}", role)
