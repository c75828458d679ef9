"""Asking the API server what we may do."""

from __future__ import annotations

from byok8s.kube.client import PATIENCE_SECONDS, KubeClient
from byok8s.kube.objects import get_in


def allowed(
    client: KubeClient, namespace: str, verb: str, resource: str, group: str = "", *,
    patience: float = PATIENCE_SECONDS,
) -> bool:  # fmt: skip
    """Whether we may. resource: with its subresource, as in pods/log. (SelfSubjectAccessReview; creates nothing.)"""
    name, _, subresource = resource.partition("/")
    review = client.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": verb,
                    "group": group,
                    "resource": name,
                    "subresource": subresource,
                }
            },
        },
        patience=patience,
    )
    return get_in(review, "status", "allowed") is True
