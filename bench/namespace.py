"""The bench's namespace, users, and what the API server noted of each."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import yaml

from byok8s.kube import Context, KubeClient, Object
from byok8s.kube.objects import Json, get_in, items, text
from common import BenchError, say
from cost import Meter

TOKEN_SECONDS = 12 * 3600
PATIENCE_SECONDS = 120.0
AUDIT_LOG = "BYOK8S_TEST_AUDIT_LOG"


class BenchNamespace:
    """A namespace. Its service accounts may do there what the cluster role `admin` allows."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self.namespace = namespace
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._events = f"/api/v1/namespaces/{namespace}/events"
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"

    def cluster(self) -> str:
        """Version and size, in words."""
        version = text(self._client.get("/version"), "gitVersion")
        nodes = len(items(self._client.get("/api/v1/nodes"), "items"))
        return f"{version}, {nodes} node{'s' if nodes != 1 else ''}"

    def user(self, name: str, kubeconfig: Path) -> str:
        """Make a service account and a kubeconfig for it; returns its name as the API server writes it.

        A user for each run: so its requests can be told from those of everybody else, by whichever client.
        """
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        self._client.post(path, {"metadata": {"name": name}})
        request: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        token = text(self._client.post(f"{path}/{name}/token", request), "status", "token")
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(self.namespace, token)))
        return f"system:serviceaccount:{self.namespace}:{name}"

    def shell(self, script: str) -> str:
        """What a script prints in a pod of the image that is measured."""
        image, name = os.environ["BYOK8S_IMAGE"], f"probe-{uuid.uuid4().hex[:8]}"
        container: dict[str, Json] = {
            "name": "probe",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", script],
        }
        spec: dict[str, Json] = {"restartPolicy": "Never", "containers": [container]}
        self._client.post(self._pods, {"metadata": {"name": name}, "spec": spec})
        end, phase = time.monotonic() + PATIENCE_SECONDS, ""
        while phase not in ("Succeeded", "Failed") and time.monotonic() < end:
            time.sleep(0.3)
            phase = text(self._client.get(f"{self._pods}/{name}"), "status", "phase")
        words = self._client.get_text(f"{self._pods}/{name}/log") if phase in ("Succeeded", "Failed") else ""
        self._client.delete(f"{self._pods}/{name}")
        if phase != "Succeeded":
            raise BenchError(f"A pod of image {image} is {phase or 'nowhere'}: {words[-1000:]}")
        return words

    def meter(self) -> Meter:
        """Of what the pods here cost; to be started."""
        return Meter(self._client, self.namespace)

    def crowding(self) -> str:
        """What the scheduler said of pods for which there was no room; empty if all was well."""
        events = items(self._client.get(self._events), "items")
        return next((text(e, "message") for e in events if text(e, "reason") == "FailedScheduling"), "")

    def say_who_waits(self) -> None:
        """Say how many pods have no node now, and the scheduler's words of one: others may fill the nodes."""
        pods = items(self._client.get(self._pods), "items")
        waiting = [
            pod
            for pod in pods
            if text(pod, "status", "phase") == "Pending" and not text(pod, "spec", "nodeName")
        ]
        if waiting:
            conditions = items(waiting[0], "status", "conditions")
            why = next((text(each, "message") for each in conditions), "no word of the scheduler's yet")
            say(f"{len(waiting)} pods wait for a node: {why}")

    def clear(self) -> None:
        """Forget the events, delete Jobs that a run left behind, and wait until nothing runs here."""
        self._client.delete(self._jobs, {"propagationPolicy": "Background"})
        end = time.monotonic() + PATIENCE_SECONDS
        while any(items(self._client.get(self._pods), "items")):
            if time.monotonic() > end:
                raise BenchError(f"Pods in namespace {self.namespace} do not end.")
            time.sleep(0.3)
        self._client.delete(self._events)


@contextlib.contextmanager
def bench_namespace() -> Iterator[BenchNamespace]:
    client = KubeClient(Context())
    namespace = f"byok8s-bench-{uuid.uuid4().hex[:8]}"
    client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
    try:
        group = "rbac.authorization.k8s.io"
        binding: Object = {
            "metadata": {"name": "bench"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"apiGroup": group, "kind": "Group", "name": f"system:serviceaccounts:{namespace}"}],
        }
        client.post(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", binding)
        _wait_for_default_account(client, namespace)
        yield BenchNamespace(client, namespace)
    finally:
        client.delete(f"/api/v1/namespaces/{namespace}")
        _wait_until_gone(client, namespace)


def _wait_until_gone(client: KubeClient, namespace: str) -> None:
    """Its pods take room until then."""
    end = time.monotonic() + PATIENCE_SECONDS
    while namespace in [
        text(i, "metadata", "name") for i in items(client.get("/api/v1/namespaces"), "items")
    ]:
        if time.monotonic() > end:
            say(f"namespace {namespace} is still being deleted")
            return
        time.sleep(0.5)


def _wait_for_default_account(client: KubeClient, namespace: str) -> None:
    """Pods are refused before it is there."""
    end = time.monotonic() + PATIENCE_SECONDS
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    while "default" not in [text(item, "metadata", "name") for item in items(client.get(path), "items")]:
        if time.monotonic() > end:
            raise BenchError(f"Namespace {namespace} gets no service account.")
        time.sleep(0.2)


def _kubeconfig(namespace: str, token: str) -> dict[str, object]:
    """The current context's cluster, with another user."""
    path = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    config = yaml.safe_load(path.read_text())
    contexts = {entry["name"]: entry["context"] for entry in config["contexts"]}
    wanted = contexts[config["current-context"]]["cluster"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [entry for entry in config["clusters"] if entry["name"] == wanted],
        "contexts": [
            {"name": "bench", "context": {"cluster": wanted, "user": "bench", "namespace": namespace}}
        ],
        "users": [{"name": "bench", "user": {"token": token}}],
    }


class AuditLog:
    """The API server's record of requests. Without one nothing is counted."""

    def __init__(self) -> None:
        path = os.environ.get(AUDIT_LOG)
        self._path = Path(path) if path and Path(path).is_file() else None
        self._start = self._path.stat().st_size if self._path else 0

    def __bool__(self) -> bool:
        return self._path is not None

    def requests(self, user: str) -> int | None:
        return None if self._path is None else len(self.events(user))

    def events(self, user: str) -> list[Object]:
        """The requests of a user; none without a log."""
        if self._path is None:
            return []
        time.sleep(1)  # a watch is noted when the server has seen that its client is gone
        start = self._start if self._path.stat().st_size >= self._start else 0  # it was begun again
        with self._path.open("rb") as log:
            log.seek(start)
            events = [json.loads(line) for line in log if user.encode() in line]
        return [event for event in events if get_in(event, "user", "username") == user]
