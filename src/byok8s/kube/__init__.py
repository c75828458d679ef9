"""Talking to the Kubernetes API: who we are, JSON over HTTP, and one watch that does not give up."""

from byok8s.kube.client import KubeClient, connect
from byok8s.kube.context import Context
from byok8s.kube.errors import ApiError, NoCredentials, Unreachable
from byok8s.kube.exec import ExecStream
from byok8s.kube.objects import Object, get_in
from byok8s.kube.watch import Watch

__all__ = [
    "ApiError",
    "Context",
    "ExecStream",
    "KubeClient",
    "NoCredentials",
    "Object",
    "Unreachable",
    "Watch",
    "connect",
    "get_in",
]
