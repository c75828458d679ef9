"""The cluster, looked at field by field. What is asked of it is judged by the modules of the fields."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlsplit

from byok8s import s3
from byok8s.access.preflight import Cluster
from byok8s.dns.state import DnsKind, DnsState, look
from byok8s.doctor import dns, namespace, nodes, probe_checks, rights, workflow
from byok8s.doctor.bucket import BucketFindings
from byok8s.doctor.check import Check, all_skipped, any_failed, of_error, skipped
from byok8s.doctor.plan import plan as plan_workflow
from byok8s.doctor.probe_pod import Probe, cluster_run, pod_plan, run_probe
from byok8s.doctor.scope import Scope
from byok8s.errors import Byok8sError, ClusterError
from byok8s.executor import capacity
from byok8s.executor.capacity import Capacity
from byok8s.jobs.shapes import Shapes
from byok8s.kube import ApiError, KubeClient
from byok8s.kube.errors import FORBIDDEN
from byok8s.run_objects.objects import Contents
from byok8s.worker.probe import Seen

AWS = "s3.amazonaws.com"
NO_RIGHT = "a right is missing"

Checks = Sequence[Check]


class ClusterChecks:
    """key: of the object that a pod puts for a moment. ending: set where nobody waits any more."""

    def __init__(
        self,
        client: KubeClient,
        scope: Scope,
        shapes: Shapes,
        brought: Contents,
        key: str,
        ending: threading.Event,
    ) -> None:
        self._client, self._scope, self._shapes = client, scope, shapes
        self._brought, self._key, self._ending = brought, key, ending
        self._namespace = scope.namespace or client.context.namespace or "default"
        self._run = cluster_run(client, self._namespace, scope, brought)
        self._shape = shapes.of(SimpleNamespace(name="doctor", resources={}))
        self._pod = self._run.pod(pod_plan(self._run.names, self._shape, scope.bucket, key))

    def rights(self) -> Checks:
        try:
            return rights.look(self._client, self._namespace)
        except ClusterError as error:
            return _fault(rights.NAMES, error)

    def room(self, may: Future[Checks]) -> Checks:
        """Check what the namespace has room for, and what it allows."""
        try:
            found = namespace.look(self._client, self._namespace, self._pod, len(self._brought.config_maps))
            if self._scope.cache:
                found.append(namespace.claim(self._client, self._namespace, self._scope.cache))
        except ClusterError as error:
            return _fault(namespace.NAMES, error)
        why_not = _first_failed({NO_RIGHT: may.result(), "the namespace cannot be used": found[:1]})
        return [*found, skipped("admission", why_not) if why_not else namespace.try_pod(self._try_pod)]

    def _try_pod(self) -> None:
        plan = pod_plan(self._run.names, self._shape, self._scope.bucket, self._key)
        self._run.try_pod(replace(plan, name=f"{plan.name}-trial"))

    def nodes(self) -> Checks:
        try:
            return nodes.checks(self._run.nodes(), self._pod)
        except ApiError as error:
            if error.code == FORBIDDEN:
                return all_skipped(nodes.NAMES, nodes.FORBIDDEN)
            return _fault(nodes.NAMES, error)
        except ClusterError as error:
            return _fault(nodes.NAMES, error)

    def dns(self) -> DnsState:
        try:
            return look(self._client)
        except ClusterError:  # what is the matter with the API, other checks say
            return DnsState(DnsKind.UNSEEN)

    def workflow(self, may: Future[Checks], of_bucket: Future[BucketFindings]) -> Checks:
        request, bucket = self._scope.request, self._scope.bucket
        if request is None or bucket is None:
            return all_skipped(workflow.NAMES, workflow.NO_WORKFLOW)
        if not of_bucket.result().usable:
            return all_skipped(workflow.NAMES, "the bucket cannot be listed")
        room = self._capacity()
        limit = room.limit(strict=request.strict_threads)
        cluster = Cluster(self._client.context.name, self._namespace, "", limit)
        cluster = replace(cluster, cores=room.threads or cluster.cores)
        planned = plan_workflow(
            request, bucket, self._scope.s3_environment, cluster, self._scope.image, self._ending
        )
        check = workflow.planned(planned)
        if planned is None or planned.fault:
            return [check, *all_skipped(workflow.NAMES[1:], "there is no plan")]
        checks = [check, workflow.software(planned)]
        if any_failed(may.result()):
            return [*checks, skipped("largest job", NO_RIGHT)]
        return [*checks, workflow.largest(planned, self._shapes, self._run, scaled=limit is not None)]

    def _capacity(self) -> Capacity:
        try:
            return capacity.of_nodes(self._run.nodes(), self._pod)
        except (ApiError, ClusterError):  # what is the matter, other checks say
            return Capacity()

    def inside(
        self,
        may: Future[Checks],
        room: Future[Checks],
        hosts: Future[Checks],
        of_bucket: Future[BucketFindings],
        state: Future[DnsState],
    ) -> Checks:
        """Run the probe pod, unless an earlier check shows that it cannot start."""
        bucket = self._scope.bucket
        why_not = _first_failed(
            {
                NO_RIGHT: may.result(),
                "the namespace takes none": room.result(),
                "no node takes one": hosts.result(),
            }
        )
        if why_not:
            found: Checks = all_skipped(probe_checks.NAMES, why_not)
            return [*found, self._dns(state.result(), None)]
        works_here = of_bucket.result().works if bucket else None
        try:
            probe = self._run_probe(self._key if works_here else "")
        except Byok8sError as error:
            return [*_fault(probe_checks.NAMES, error), self._dns(state.result(), None)]
        checks = probe_checks.checks(probe, self._scope.image, works_here)
        return [*checks, self._dns(state.result(), probe.seen)]

    def _run_probe(self, key: str) -> Probe:
        bucket = self._scope.bucket
        plan = pod_plan(self._run.names, self._shape, bucket, key)
        try:
            return run_probe(self._client, self._run, plan, self._brought, self._ending)
        finally:
            if bucket and key:
                s3.remove(bucket, key)  # of a pod that was ended in between

    def _dns(self, state: DnsState, seen: Seen | None) -> Check:
        bucket = self._scope.bucket
        host = (urlsplit(bucket.endpoint_url or "").hostname or AWS) if bucket else ""
        return dns.check(state, host, seen, _resolves)


def _fault(names: Sequence[str], error: Byok8sError) -> Checks:
    return [of_error(names[0], error), *all_skipped(names[1:], "the cluster could not be asked")]


def _first_failed(whys: Mapping[str, Checks]) -> str:
    return next((why for why, checks in whys.items() if any_failed(checks)), "")


def _resolves(host: str) -> bool:
    """On this machine."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
