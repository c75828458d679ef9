"""Asks the API server which rights we lack: all at once, and nothing is created for it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from byok8s.access.rights import Right
from byok8s.kube import KubeClient
from byok8s.kube.access import allowed

PATIENCE_SECONDS = 3.0


def missing(client: KubeClient, namespace: str, rights: Sequence[Right]) -> list[Right]:
    """Return those of the rights that we lack, in their order. Raises ClusterError if the API cannot be asked."""
    with ThreadPoolExecutor(len(rights)) as threads:
        answers = threads.map(
            lambda right: allowed(
                client, namespace, right.verb, right.resource, right.group, patience=PATIENCE_SECONDS
            ),
            rights,
        )
        return [right for right, yes in zip(rights, answers, strict=True) if not yes]
