"""One run's objects in the cluster: made before its first pod, gone after its last."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from byok8s.executor import manifest
from byok8s.executor.manifest import JobSpec, PodSettings
from byok8s.executor.names import Names
from byok8s.kube import ApiError, KubeClient
from byok8s.kube.client import CONFLICT
from byok8s.kube.json import Json, Object, text

RENEW_SECONDS = 600  # several tries before LEASE_SECONDS are over
CLEAN_UP_PATIENCE = 20.0  # seconds for each request, so that an exit is never held up for long
PODS_END_SECONDS = manifest.GRACE_SECONDS + 5


@dataclass(frozen=True)
class Contents:
    """What a run brings along.

    secret: values of the Secret, credentials among them. config_maps: files, a share for each ConfigMap.
    """

    secret: Mapping[str, str]
    config_maps: list[dict[str, bytes]]


class ClusterRun:
    """Creates and removes what one run has in a namespace. All of it is owned by one object."""

    def __init__(self, client: KubeClient, namespace: str, names: Names, settings: PodSettings) -> None:
        self._client, self._names, self._settings = client, names, settings
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._config_maps = f"/api/v1/namespaces/{namespace}/configmaps"
        self._owners = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._reference: dict[str, Json] = {}
        self._ending = threading.Event()
        self._started = time.monotonic()

    def create(self, contents: Contents, annotations: Mapping[str, str]) -> None:
        """Raises ApiError or Unreachable; what was made by then is for `remove`."""
        made = self._create(self._owners, manifest.owner(self._names, self._settings.image, annotations))
        self._started = time.monotonic()
        self._reference = manifest.owner_reference(self._names, text(made, "metadata", "uid"))
        self._create(self._secrets, manifest.secret(self._names, self._reference, contents.secret))
        for number, files in enumerate(contents.config_maps):
            self._create(self._config_maps, manifest.config_map(self._names, self._reference, number, files))
        threading.Thread(target=self._keep_lease, name="lease", daemon=True).start()

    def submit(self, job: JobSpec) -> None:
        """Raises ApiError where the cluster refuses the pod, Unreachable where it stays away."""
        self._create(self.pods, manifest.pod(self._names, self._reference, self._settings, job))

    def pod_name(self, job: JobSpec) -> str:
        return self._names.pod(job.rule, job.jobid, job.attempt)

    def log(self, pod: str) -> str:
        return self._client.get_text(f"{self.pods}/{pod}/log")

    def delete_pod(self, pod: str) -> None:
        """For a pod whose container has ended: nothing of it is left to wait for."""
        self._client.delete(f"{self.pods}/{pod}", {"gracePeriodSeconds": 0})

    def end_pods(self) -> None:
        """Tell all pods of the run to end, and return when they have, or when their grace is over."""
        selector = {"labelSelector": self._names.selector}
        self._client.delete(self.pods, {}, selector, patience=CLEAN_UP_PATIENCE)
        deadline = time.monotonic() + PODS_END_SECONDS
        while self._any_pod(selector) and time.monotonic() < deadline:
            time.sleep(0.25)
        self._client.delete(self.pods, {"gracePeriodSeconds": 0}, selector, patience=CLEAN_UP_PATIENCE)

    def remove(self) -> None:
        """Remove everything of the run but its pods; what is left of those goes with their owner."""
        self._ending.set()
        for path in (
            f"{self._secrets}/{self._names.secret}",
            *(f"{self._config_maps}/{self._names.config_map(n)}" for n in range(self._settings.config_maps)),
            f"{self._owners}/{self._names.owner}",
        ):
            self._client.delete(path, {"propagationPolicy": "Background"}, patience=CLEAN_UP_PATIENCE)

    def _create(self, path: str, body: Object) -> Object:
        try:
            return self._client.post(path, body)
        except ApiError as error:
            if error.code != CONFLICT:
                raise
            # our names are unique: an answer was lost, and the request that we repeated had been heard
            return self._client.get(f"{path}/{text(body, 'metadata', 'name')}")

    def _any_pod(self, selector: Mapping[str, str]) -> bool:
        return bool(
            self._client.get(self.pods, {**selector, "limit": "1"}, patience=CLEAN_UP_PATIENCE)["items"]
        )

    def _keep_lease(self) -> None:
        while not self._ending.wait(RENEW_SECONDS):
            seconds = int(time.monotonic() - self._started) + manifest.LEASE_SECONDS
            try:
                self._client.patch(
                    f"{self._owners}/{self._names.owner}", {"spec": {"activeDeadlineSeconds": seconds}}
                )
            except Exception:  # noqa: BLE001, S112 - the next renewal comes long before the lease is over
                continue
