"""One run's objects in the cluster: made before its first pod, gone after its last.

Names and labels prove nothing in a namespace that is shared: what is there already is used only when a controller of
this run has made it, and only what is the run's is removed.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from byok8s.errors import Byok8sError, ClusterError
from byok8s.kube import ApiError, ExecStream, KubeClient
from byok8s.kube.client import OUTAGE_SECONDS, PATIENCE_SECONDS
from byok8s.kube.errors import ALREADY_EXISTS, CONFLICT, NOT_FOUND
from byok8s.kube.objects import Json, Object, items, text
from byok8s.pods import manifest
from byok8s.pods.manifest import PodPlan, PodSettings
from byok8s.pods.names import CONTENTS_ANNOTATION, CONTROLLER_ANNOTATION, Names

RENEW_SECONDS = 600  # several tries before LEASE_SECONDS are over
GONE_SECONDS = 30.0
LOG_SILENCE_SECONDS = 60.0
CLEAN_UP_PATIENCE = 20.0  # seconds for each request, so that an exit is never held up for long
MOST_NODES = 500
# the controller that makes it may be busy, or find its way back to an API server that was away
NEW_NAMESPACE_SECONDS = 60.0
NO_ACCOUNT_YET = 'serviceaccount "default" not found'
PODS_END_SECONDS = manifest.GRACE_SECONDS + 5


@dataclass(frozen=True)
class Contents:
    """What a run brings along.

    secret: values of the Secret, credentials among them. config_maps: files, a share for each ConfigMap. run: the
    description that all jobs have in common; with params in it, so it goes into the Secret.
    """

    secret: Mapping[str, str]
    config_maps: list[dict[str, bytes]]
    run: str = ""

    def digest(self, settings: PodSettings) -> str:
        """Return a digest that is the same for what makes the same pods; of the secret only the names count."""
        digest = sha256(repr((settings, sorted(self.secret), self.run)).encode())
        for files in self.config_maps:
            for name, content in sorted(files.items()):
                digest.update(name.encode() + content)
        return digest.hexdigest()


class RunObjects:
    """Creates and removes what one run has in a namespace. All of it is owned by one object."""

    def __init__(self, client: KubeClient, namespace: str, names: Names, settings: PodSettings) -> None:
        self._client, self.names, self._settings = client, names, settings
        self._before_owner = names
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._config_maps = f"/api/v1/namespaces/{namespace}/configmaps"
        self._events = f"/api/v1/namespaces/{namespace}/events"
        self._owners = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._owner = f"{self._owners}/{names.owner}"
        self._reference = manifest.owner_reference(names, "none")
        self._mine = {"labelSelector": names.selector}
        self._ending = threading.Event()
        self._created = time.time()

    def create(self, contents: Contents, annotations: Mapping[str, str]) -> list[Object]:
        """Make what comes before the first pod.

        Where a controller of the same run, with the same contents, has left off, its pods are returned; what one with
        other contents has left is removed. Raises ClusterError; what was made by then is for `remove`.
        """
        digest = contents.digest(self._settings)
        annotations = {**annotations, CONTENTS_ANNOTATION: digest}
        owner = manifest.owner(self._before_owner, self._settings.image, annotations)
        made = self._create_owner(owner)
        if text(made, "metadata", "annotations", CONTENTS_ANNOTATION) != digest:
            self._make_way()
            made = self._create_owner(owner)
        created = text(made, "metadata", "creationTimestamp")
        self._created = datetime.fromisoformat(created).timestamp() if created else time.time()
        maker = text(made, "metadata", "annotations", CONTROLLER_ANNOTATION)
        left = [] if maker == annotations.get(CONTROLLER_ANNOTATION) else self._left()
        self._create_contents(contents, again=bool(left))
        if left:
            self._renew_lease()
        threading.Thread(target=self._keep_lease, name="lease", daemon=True).start()
        return left

    def _create_owner(self, owner: Object) -> Object:
        """Return the owner as it is now, made by us or by an earlier controller, and take it for ours."""
        made = self._create(self._owners, owner) or self._read_owner()
        if not manifest.is_proven(self._before_owner, made):
            raise _taken("Job", self.names.owner)
        uid = text(made, "metadata", "uid")
        self.names = replace(self._before_owner, uid=uid)
        self._reference = manifest.owner_reference(self.names, uid)
        return made

    def _read_owner(self) -> Object:
        # an empty patch reads it without the right to get
        return self._client.patch(self._owner, {}, patience=CLEAN_UP_PATIENCE)

    def _create_contents(self, contents: Contents, *, again: bool) -> None:
        if again:  # the credentials may have changed, and it cannot be known
            self._client.delete(f"{self._secrets}/{self.names.secret}")
        values = {**contents.secret, **({manifest.RUN_FILE: contents.run} if contents.run else {})}
        secret = manifest.secret(self.names, self._reference, values)
        shares = [
            (self._config_maps, manifest.config_map(self.names, self._reference, number, files))
            for number, files in enumerate(contents.config_maps)
        ]
        # nobody else knows these names before they are there: what exists already is ours, and the answer was lost
        with ThreadPoolExecutor(len(shares) + 1) as threads:
            list(threads.map(self._create, *zip((self._secrets, secret), *shares, strict=True)))

    def change_secret(self, values: Mapping[str, str]) -> None:
        """Change values of the run's Secret, which kubelets then bring to its pods. Raises ClusterError."""
        self._client.patch(f"{self._secrets}/{self.names.secret}", {"stringData": dict(values)})

    def _left(self, patience: float = PATIENCE_SECONDS) -> list[Object]:
        """Return the pods of the run, whichever of its controllers has made them."""
        return [pod for pod in self._labelled(patience) if self.owns(pod)]

    def _labelled(self, patience: float) -> list[dict[str, Json]]:
        return items(self._client.get(self.pods, self._mine, patience=patience), "items")

    def owns(self, pod: Object) -> bool:
        """Return whether the pod is this run's, which its labels alone do not prove."""
        return manifest.is_owned(pod, self.names.uid) and manifest.is_proven(self.names, pod)

    def is_over(self) -> bool:
        """Return whether somebody has deleted the owner, and with it all of the run. Raises ClusterError."""
        try:
            found = self._client.patch(self._owner, {}, patience=0)
        except ApiError as error:
            if error.code == NOT_FOUND:
                return True
            raise
        return bool(text(found, "metadata", "deletionTimestamp")) or not self._is_owner(found)

    def _is_owner(self, found: Object) -> bool:
        return text(found, "metadata", "uid") == self.names.uid

    def _make_way(self) -> None:
        self.end_pods()
        self.remove()
        self._ending.clear()
        until = time.monotonic() + GONE_SECONDS
        while self._left() and time.monotonic() < until:
            time.sleep(0.25)

    def nodes(self) -> list[Object]:
        """Return the first MOST_NODES nodes, in most clusters all. Raises ApiError if that is forbidden."""
        return list(items(self._client.get("/api/v1/nodes", {"limit": str(MOST_NODES)}), "items"))

    def pod(self, plan: PodPlan) -> Object:
        """Return the pod as it is created."""
        return manifest.pod(self.names, self._reference, self._settings, plan)

    def try_pod(self, plan: PodPlan) -> None:
        """Have the cluster look at a pod like those to come, creating none. Raises ApiError with its objection.

        A namespace that was made a moment ago may have to wait for its default service account.
        """
        until = time.monotonic() + NEW_NAMESPACE_SECONDS
        while True:
            try:
                self._client.post(self.pods, self.pod(plan), {"dryRun": "All"})
            except ApiError as error:
                wait = NO_ACCOUNT_YET in error.message and time.monotonic() < until
                if not wait or self._ending.wait(0.5):
                    raise
            else:
                return

    def create_pod(self, plan: PodPlan) -> None:
        """Raises ApiError when the cluster refuses the pod, ClusterError when it is away or has such a pod."""
        until = time.monotonic() + GONE_SECONDS
        while not self._create(self.pods, self.pod(plan), patience=OUTAGE_SECONDS):
            found = self._pod_named(plan.name)
            if found and not text(found, "metadata", "deletionTimestamp"):
                if self.owns(found):
                    return  # the answer was lost, and the request that we repeated had been heard
                raise _taken("pod", plan.name)
            if time.monotonic() > until or self._ending.wait(0.5):
                raise _taken("pod", plan.name)

    def _pod_named(self, name: str) -> Object | None:
        # listed, as there is no right to get
        selector = {"fieldSelector": f"metadata.name={name}"}
        return next(iter(items(self._client.get(self.pods, selector), "items")), None)

    def stop_waiting(self) -> None:
        """Stop waiting for an API that is away: the run ends, and no pod is wanted any more."""
        self._ending.set()

    def log(self, pod: str) -> Iterator[str]:
        """Return what a pod has written, line by line. Raises ApiError or Unreachable."""
        lines = self._client.stream(
            f"{self.pods}/{pod}/log", {"container": manifest.CONTAINER}, LOG_SILENCE_SECONDS
        ).lines()
        return (line.decode(errors="replace") + "\n" for line in lines)

    def events(self, pod: str) -> list[Object]:
        """Return a pod's events. Raises ApiError if that is forbidden: a run does not need it."""
        selector = f"involvedObject.kind=Pod,involvedObject.name={pod}"
        return list(items(self._client.get(self._events, {"fieldSelector": selector}, patience=0), "items"))

    def open_stream(self, pod: str) -> ExecStream:
        """Open the stream to the worker in a pod. Raises ApiError or Unreachable."""
        command = [*manifest.WORKER_COMMAND, "talk"]
        return ExecStream(self._client, f"{self.pods}/{pod}", manifest.CONTAINER, command)

    def delete_pod(self, pod: str) -> None:
        """Delete a pod that has nothing to finish, without a grace period."""
        self._client.delete(f"{self.pods}/{pod}", {"gracePeriodSeconds": 0})

    def end_pods(self) -> None:
        """Tell all pods to end, and return when their containers have, or when their grace is over.

        Their objects stay for a while: a kubelet takes seconds to let go of a pod that it has ended.
        """
        self._delete_pods({})
        deadline = time.monotonic() + PODS_END_SECONDS
        while self._any_container() and time.monotonic() < deadline:
            time.sleep(0.25)

    def remove(self) -> None:
        """Remove everything of the run, each part whatever became of the others.

        Its pods have nothing to finish any more.
        """
        self._ending.set()
        with ExitStack() as last_comes_first:
            last_comes_first.callback(self._delete_owner)
            for number in range(self._settings.config_maps):
                last_comes_first.callback(
                    self._delete, f"{self._config_maps}/{self.names.config_map(number)}"
                )
            last_comes_first.callback(self._delete, f"{self._secrets}/{self.names.secret}")
            last_comes_first.callback(self._delete_pods, {"gracePeriodSeconds": 0})

    def _delete_pods(self, options: Object) -> None:
        """Delete the run's pods, with one request unless somebody else has given a pod the run's labels."""
        labelled = self._labelled(CLEAN_UP_PATIENCE)
        if all(map(self.owns, labelled)):
            self._client.delete(self.pods, options, self._mine, patience=CLEAN_UP_PATIENCE)
            return
        for pod in filter(self.owns, labelled):
            self._delete(f"{self.pods}/{text(pod, 'metadata', 'name')}", options)

    def _delete_owner(self) -> None:
        """Delete the owner, but not another's Job of the same name."""
        uid = self.names.uid
        if not uid:  # there was no answer to its creation
            uid = self._uid_if_made()
        if uid:
            self._delete(self._owner, {"preconditions": {"uid": uid}})

    def _uid_if_made(self) -> str:
        try:
            found = self._read_owner()
        except ApiError as error:
            if error.code == NOT_FOUND:
                return ""
            raise
        return text(found, "metadata", "uid") if manifest.is_proven(self._before_owner, found) else ""

    def _delete(self, path: str, options: Object | None = None) -> None:
        options = {"propagationPolicy": "Background", **(options or {})}
        try:
            self._client.delete(path, options, patience=CLEAN_UP_PATIENCE)
        except ApiError as error:
            if error.code != CONFLICT:  # it is not what we wanted to delete, which is gone
                raise

    def _create(self, path: str, body: Object, patience: float = PATIENCE_SECONDS) -> Object | None:
        """Return the object as it was made, None if there is already one of its name, whoever made it."""
        try:
            return self._client.post(path, body, patience=patience, unless=self._ending)
        except ApiError as error:
            if error.reason != ALREADY_EXISTS:
                raise
            return None

    def _any_container(self) -> bool:
        phases = {text(pod, "status", "phase") for pod in self._left(CLEAN_UP_PATIENCE)}
        return not phases.isdisjoint({"Pending", "Running"})

    def _keep_lease(self) -> None:
        with suppress(Byok8sError):  # without the right to it, or the API: then the lease has no end
            self._begin_lease()
        while not self._ending.wait(RENEW_SECONDS):
            with suppress(Exception):  # the next renewal comes long before the lease is over
                self._renew_lease()

    def _renew_lease(self) -> None:
        # by the clock that goes on while a laptop sleeps
        seconds = int(time.time() - self._created) + manifest.LEASE_SECONDS
        self._client.patch(self._owner, {"spec": {"activeDeadlineSeconds": seconds}})

    def _begin_lease(self) -> None:
        """Before 1.24 the job controller notes no start of a Job without pods, and no deadline comes without one."""
        version = re.match(r"v1\.(\d+)\.", text(self._client.get("/version"), "gitVersion"))
        if version and int(version[1]) < 24:
            start = f"{datetime.fromtimestamp(self._created, UTC):%Y-%m-%dT%H:%M:%SZ}"
            self._client.patch(f"{self._owner}/status", {"status": {"startTime": start}})


def _taken(kind: str, name: str) -> ClusterError:
    return ClusterError(
        f"There is a {kind} {name} already, which this run has not made.",
        where="Whoever may create objects in the namespace can have made it; nothing of it is used.",
        hint=f"See who did: kubectl describe {kind.lower()} {name}. Then start again.",
    )
