"""What is created in the cluster, as Kubernetes wants it written. Values in, objects out.

The owner of all is a Job that never starts a pod (`parallelism: 0`). It is there for its deadline: the
controller moves `activeDeadlineSeconds` ahead while it lives, and when nobody does any more, Kubernetes ends
the Job, its `ttlSecondsAfterFinished` deletes it, and the owner references take everything else along.
(TTL after finished: on by default since Kubernetes 1.21, KEP-592.)
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from byok8s.kube.objects import Json, Object, items, text
from byok8s.pods import template, tool
from byok8s.pods.names import (
    JOB_LABEL,
    PROOF_ANNOTATION,
    RULE_LABEL,
    SHAPE_ANNOTATION,
    WORKER_LABEL,
    Names,
    label_value,
)
from byok8s.pods.tool import CLAIM_VOLUME
from byok8s.worker.claim_cache import VARIABLE

LEASE_SECONDS = int(os.environ.get("BYOK8S_LEASE_SECONDS", "7200"))
USER_ID = 1000
MOUNT = "/byok8s"
WORK = "/work"
CLAIM_MOUNT = "/byok8s-claim"
CONTAINER = "worker"
WORKER_COMMAND = ("python", f"{MOUNT}/worker.pyz")
CREDENTIALS_FILE = "aws-credentials"
RUN_FILE = "run.json"
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
class Shape:
    """What a pod is made like. Jobs can share a pod, one after another, if it has what each asks for.

    cores: of the processor. mem_mb, disk_mb: in MB; None if the rule says nothing. said: the part of a Pod that the
    user has put in words, which counts over ours; template: that which is merged under ours; both as JSON. tool: the
    rule's own image, which its commands run in; "" if that is the pods'. tool_policy: when that is pulled, "" as the
    pods' own.
    """

    cores: int
    mem_mb: int | None = None
    disk_mb: int | None = None
    said: str = ""
    template: str = ""
    tool: str = ""
    tool_policy: str = ""

    @property
    def memory_mb(self) -> int:
        """The memory that the pod gets."""
        return max(self.mem_mb or DEFAULT_MEMORY_MB, LEAST_MEMORY_MB)


@dataclass(frozen=True)
class Task:
    """One attempt at a Snakemake job.

    job: the same for the same rule and wildcards in every run, and unique in one. title: for people and file names.
    description: a JobDescription as JSON, or where in the bucket it is. logs: the rule's log files, within the pod's
    root. outputs: as the Snakefile has them. runtime: in minutes, None without an end. wildcards: of a group none.
    rules: of a group's jobs. at_once: of these, the most that run at a time, if that is known. attempt: Snakemake's own
    count. restarts: how often Snakemake tries it again. losses, ooms: tries lost to infrastructure, and to too little
    memory. adopted: the id of the try that an earlier controller of the run has begun. shared: the inputs that other
    tasks take, too, each with its size in bytes: a worker that has them need not fetch them. after: the jobs that make
    its inputs, None if they are not known.
    """

    job: str
    rule: str
    shape: Shape
    description: Mapping[str, object] = field(default_factory=dict, compare=False)
    precommand: str = ""
    runtime: int | None = None
    title: str = ""
    logs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    wildcards: Mapping[str, str] = field(default_factory=dict, compare=False)
    rules: tuple[str, ...] = ()
    at_once: int | None = None
    attempt: int = 1
    restarts: int = field(default=0, compare=False)
    losses: int = 0
    ooms: int = 0
    adopted: str = ""
    shared: tuple[tuple[str, int], ...] = field(default=(), compare=False)
    after: tuple[str, ...] | None = field(default=(), compare=False)

    @property
    def id(self) -> str:
        """Of this try."""
        if self.adopted:
            return self.adopted
        counts = (("", self.attempt - 1), ("l", self.losses), ("m", self.ooms))
        return "-".join([self.job, *(f"{letter}{count}" for letter, count in counts if count)])


def job_of(task_id: str) -> str:
    """The job that a try is one of."""
    return task_id.partition("-")[0]


@dataclass(frozen=True)
class PodSettings:
    """What all pods of a run have in common.

    environment: variables with no secret in them. secret_variables: names of those whose values are in the
    run's Secret. config_maps: how many hold the run's files. claim: the PersistentVolumeClaim in which workers keep
    inputs for each other; "" for none.
    """

    image: str
    config_maps: int
    environment: Mapping[str, str]
    secret_variables: Sequence[str]
    claim: str = ""


def owner(names: Names, image: str, annotations: Mapping[str, str]) -> Object:
    pod: dict[str, Json] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": pod_security(),
        "containers": [
            {
                "name": "none",
                "image": image,
                "command": ["true"],
                "securityContext": container_security(),
                "resources": _resources(Shape(cores=1)),
            }
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.owner,
            "labels": dict(names.labels),
            "annotations": {**annotations, PROOF_ANNOTATION: names.proof(names.owner)},
        },
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


def is_proven(names: Names, obj: Object) -> bool:
    """Return whether a controller of this run has made the object, and under this name."""
    proof = text(obj, "metadata", "annotations", PROOF_ANNOTATION)
    return hmac.compare_digest(proof.encode(), names.proof(text(obj, "metadata", "name")).encode())


def is_owned(obj: Object, uid: str) -> bool:
    """Return whether the object's owner is the one with this uid."""
    return bool(uid) and any(text(of, "uid") == uid for of in items(obj, "metadata", "ownerReferences"))


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


@dataclass(frozen=True)
class PodPlan:
    """One pod. arguments: of the worker in it. runtime: minutes, None without an end.

    secret_files: those of the run's Secret that it has, and other pods have not.
    """

    name: str
    labels: Mapping[str, str]
    shape: Shape
    arguments: tuple[str, ...]
    runtime: int | None = None
    secret_files: tuple[str, ...] = ()


def job_plan(names: Names, task: Task) -> PodPlan:
    """A pod for one job, which is its own command."""
    labels = {RULE_LABEL: label_value(task.rule), JOB_LABEL: label_value(task.id)}
    arguments = ("one", str(task.description["bucket"]), str(task.description["key"]))
    return PodPlan(names.job_pod(task.rule, task.id), labels, task.shape, arguments, task.runtime)


def worker_plan(names: Names, shape: Shape, number: int) -> PodPlan:
    """A pod for many jobs of one shape, which come by a stream."""
    return PodPlan(names.worker_pod(number), {WORKER_LABEL: str(number)}, shape, ("serve",))


def shape_of(pod: Object) -> Shape | None:
    """The shape that a worker's pod was made with; None for a pod of another version, or of none."""
    try:
        return Shape(**json.loads(text(pod, "metadata", "annotations", SHAPE_ANNOTATION)))
    except (ValueError, TypeError):
        return None


def pod(names: Names, reference: dict[str, Json], settings: PodSettings, plan: PodPlan) -> Object:
    work: Json = {"name": "work", "emptyDir": {}}
    spec: dict[str, Json] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "containers": [_container(names, settings, plan)],
        "volumes": [_files(names, settings, plan), work, *_claim(settings)],
    }
    if plan.runtime:
        spec["activeDeadlineSeconds"] = plan.runtime * 60
    ours: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": plan.name,
            "labels": {**names.labels, **plan.labels},
            "annotations": {
                SHAPE_ANNOTATION: json.dumps(asdict(plan.shape)),
                PROOF_ANNOTATION: names.proof(plan.name),
            },
            "ownerReferences": [reference],
        },
        "spec": spec,
    }
    said, under = (json.loads(part or "{}") for part in (plan.shape.said, plan.shape.template))
    merged = template.merge(template.merge(said, ours), under, CONTAINER)
    if not plan.shape.tool:
        return merged
    image = tool.Image(plan.shape.tool, plan.shape.tool_policy)
    return tool.added(merged, CONTAINER, image, container_security(), settings.secret_variables)


def _container(names: Names, settings: PodSettings, plan: PodPlan) -> dict[str, Json]:
    variables: list[Json] = [{"name": name, "value": value} for name, value in settings.environment.items()]
    variables += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": names.secret, "key": name}}}
        for name in settings.secret_variables
    ]
    claim: list[Json] = []
    if settings.claim:
        variables.append({"name": VARIABLE, "value": CLAIM_MOUNT})
        claim.append({"name": CLAIM_VOLUME, "mountPath": CLAIM_MOUNT})
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(WORKER_COMMAND),
        "args": list(plan.arguments),
        "workingDir": WORK,
        "env": variables,
        "resources": _resources(plan.shape),
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "files", "mountPath": MOUNT, "readOnly": True},
            {"name": "work", "mountPath": WORK, "subPath": "work"},
            # so that it counts as the job's disk, and can be emptied after it
            {"name": "work", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108
            *claim,
        ],
    }


def _claim(settings: PodSettings) -> list[Json]:
    source: Json = {"claimName": settings.claim}
    return [{"name": CLAIM_VOLUME, "persistentVolumeClaim": source}] if settings.claim else []


def _files(names: Names, settings: PodSettings, plan: PodPlan) -> dict[str, Json]:
    maps: list[Json] = [{"configMap": {"name": names.config_map(n)}} for n in range(settings.config_maps)]
    # params may hold secrets, and what a run is described by holds its params
    secrets: list[Json] = [
        # the one is absent when the pods have credentials of their own, the other when there is no run
        {"secret": {"name": names.secret, "items": [{"key": name, "path": name}], "optional": True}}
        for name in (RUN_FILE, CREDENTIALS_FILE, *plan.secret_files)
    ]
    return {"name": "files", "projected": {"defaultMode": 0o440, "sources": [*maps, *secrets]}}


def _resources(shape: Shape) -> dict[str, Json]:
    memory = f"{shape.memory_mb}M"
    requests: dict[str, Json] = {"cpu": f"{int(shape.cores * 1000 * CPU_REQUEST_SHARE)}m", "memory": memory}
    limits: dict[str, Json] = {"cpu": str(shape.cores), "memory": memory}
    if shape.disk_mb:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = f"{shape.disk_mb}M"
    return {"requests": requests, "limits": limits}


def pod_security() -> dict[str, Json]:
    """The restricted profile (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Json]:
    """The same, of each container."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
