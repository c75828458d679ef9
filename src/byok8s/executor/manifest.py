"""What is created in the cluster, as Kubernetes wants it written. Values in, objects out.

The owner of all is a Job that never starts a pod (`parallelism: 0`). It is there for its deadline: the
controller moves `activeDeadlineSeconds` ahead while it lives, and when nobody does any more, Kubernetes ends
the Job, its `ttlSecondsAfterFinished` deletes it, and the owner references take everything else along.
(TTL after finished: on by default since Kubernetes 1.21, KEP-592.)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from byok8s.executor.names import JOB_LABEL, RULE_LABEL, Names, label_value
from byok8s.kube.json import Json, Object

LEASE_SECONDS = 3600
USER_ID = 1000
MOUNT = "/byok8s"
WORK = "/work"
CREDENTIALS_FILE = "aws-credentials"
GRACE_SECONDS = 5

# The requests are 5 % below the job's threads: a node of 4 cores offers a little less than 4 to its pods, and
# a rule of 4 threads should fit on it.
CPU_REQUEST_SHARE = 0.95
# For a rule that says nothing of its memory; Snakemake's own --default-resources start here too. Without a
# limit, a job that uses too much would take its neighbours along.
DEFAULT_MEMORY_MB = 1000
# Snakemake and the S3 client alone take about 150 MB in the pod
LEAST_MEMORY_MB = 256


@dataclass(frozen=True)
class Resources:
    """What a job asks for: cores, memory and disk in MB, runtime in minutes; None where it says nothing."""

    cores: int
    mem_mb: int | None = None
    disk_mb: int | None = None
    runtime: int | None = None


@dataclass(frozen=True)
class JobSpec:
    """One Snakemake job for one pod.

    arguments: of the worker, which end in Snakemake's own.
    """

    rule: str
    jobid: str
    attempt: int
    arguments: tuple[str, ...]
    resources: Resources


@dataclass(frozen=True)
class PodSettings:
    """What all pods of a run have in common.

    environment: variables with no secret in them. secret_variables: names of those whose values are in the
    run's Secret. config_maps: how many hold the run's files.
    """

    image: str
    config_maps: int
    environment: Mapping[str, str]
    secret_variables: Sequence[str]


def owner(names: Names, image: str, annotations: Mapping[str, str]) -> Object:
    pod: dict[str, Json] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": _pod_security(),
        "containers": [
            {
                "name": "none",
                "image": image,
                "command": ["true"],
                "securityContext": _container_security(),
                "resources": _resources(Resources(cores=1, mem_mb=LEAST_MEMORY_MB)),
            }
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": names.owner, "labels": dict(names.labels), "annotations": dict(annotations)},
        "spec": {
            "parallelism": 0,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": LEASE_SECONDS,
            "ttlSecondsAfterFinished": 0,
            "template": {"metadata": {"labels": dict(names.labels)}, "spec": pod},
        },
    }


def owner_reference(names: Names, uid: str) -> dict[str, Json]:
    return {"apiVersion": "batch/v1", "kind": "Job", "name": names.owner, "uid": uid}


def secret(names: Names, reference: dict[str, Json], values: Mapping[str, str]) -> Object:
    """The one place for credentials: files of the pods and values of their environment variables."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": names.secret, "labels": dict(names.labels), "ownerReferences": [reference]},
        "data": {key: _base64(value.encode()) for key, value in values.items()},
    }


def config_map(names: Names, reference: dict[str, Json], number: int, files: Mapping[str, bytes]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "immutable": True,  # the kubelet then need not watch it
        "metadata": {
            "name": names.config_map(number),
            "labels": dict(names.labels),
            "ownerReferences": [reference],
        },
        "binaryData": {key: _base64(value) for key, value in files.items()},
    }


def pod(names: Names, reference: dict[str, Json], settings: PodSettings, job: JobSpec) -> Object:
    spec: dict[str, Json] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _pod_security(),
        "containers": [_container(names, settings, job)],
        "volumes": [_files(names, settings), {"name": "work", "emptyDir": {}}],
    }
    if job.resources.runtime:
        spec["activeDeadlineSeconds"] = job.resources.runtime * 60
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": names.pod(job.rule, job.jobid, job.attempt),
            "labels": {
                **names.labels,
                RULE_LABEL: label_value(job.rule),
                JOB_LABEL: job.jobid,
            },
            "ownerReferences": [reference],
        },
        "spec": spec,
    }


def _container(names: Names, settings: PodSettings, job: JobSpec) -> dict[str, Json]:
    variables: list[Json] = [{"name": name, "value": value} for name, value in settings.environment.items()]
    variables += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": names.secret, "key": name}}}
        for name in settings.secret_variables
    ]
    return {
        "name": "job",
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", f"{MOUNT}/worker.py"],
        "args": list(job.arguments),
        "workingDir": WORK,
        "env": variables,
        "resources": _resources(job.resources),
        "securityContext": _container_security(),
        "volumeMounts": [
            {"name": "files", "mountPath": MOUNT, "readOnly": True},
            {"name": "work", "mountPath": WORK},
        ],
    }


def _files(names: Names, settings: PodSettings) -> dict[str, Json]:
    maps: list[Json] = [{"configMap": {"name": names.config_map(n)}} for n in range(settings.config_maps)]
    credentials: Json = {
        "secret": {
            "name": names.secret,
            "items": [{"key": CREDENTIALS_FILE, "path": CREDENTIALS_FILE}],
            "optional": True,  # absent where the pods have credentials of their own
        }
    }
    return {"name": "files", "projected": {"defaultMode": 0o440, "sources": [*maps, credentials]}}


def _resources(job: Resources) -> dict[str, Json]:
    memory = f"{max(job.mem_mb or DEFAULT_MEMORY_MB, LEAST_MEMORY_MB)}M"
    requests: dict[str, Json] = {"cpu": f"{int(job.cores * 1000 * CPU_REQUEST_SHARE)}m", "memory": memory}
    limits: dict[str, Json] = {"cpu": str(job.cores), "memory": memory}
    if job.disk_mb:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = f"{job.disk_mb}M"
    return {"requests": requests, "limits": limits}


def _pod_security() -> dict[str, Json]:
    """The restricted profile (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container_security() -> dict[str, Json]:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
