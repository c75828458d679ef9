"""The rights that byok8s asks for, verb by verb: values only, from which checks, roles and documents are made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Right:
    """A verb on a resource of one namespace, and what byok8s uses it for.

    resource: with its subresource, as in pods/log. group: of the API, empty for the core.
    """

    verb: str
    resource: str
    purpose: str
    group: str = ""

    @property
    def group_resource(self) -> str:
        """The resource as kubectl names it: jobs.batch."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


# without one of these there is no run
RIGHTS = (
    Right("create", "jobs", "the object that owns the run", "batch"),
    Right("patch", "jobs", "keeping the run's lease", "batch"),
    Right("delete", "jobs", "removing the run", "batch"),
    Right("create", "secrets", "the S3 credentials"),
    Right("delete", "secrets", "removing them"),
    Right("create", "configmaps", "the workflow's sources"),
    Right("delete", "configmaps", "removing them"),
    Right("create", "pods", "a pod for each job"),
    Right("list", "pods", "the state of all pods"),
    Right("watch", "pods", "changes of their state"),
    Right("delete", "pods", "removing the pods of ended jobs"),
    Right("deletecollection", "pods", "ending all pods of an interrupted run"),
    Right("get", "pods/log", "the logs of failed jobs"),
)

# without these each job gets a pod of its own. WebSockets are opened with GET; Kubernetes 1.35 asks for create as well
STREAM_RIGHTS = (
    Right("get", "pods/exec", "the stream to a worker"),
    Right("create", "pods/exec", "the same, asked for since Kubernetes 1.35"),
)

# without these a run does all but what they are for
HELPFUL_RIGHTS = (
    Right("list", "events", "why a pod waits or has failed, if its status does not say"),
    Right(
        "patch",
        "secrets",
        "renewing S3 credentials that end before the run does; channels of rules that a checkpoint brings",
    ),
    Right("get", "persistentvolumeclaims", "whether the claim of --cache is there"),
    Right(
        "patch", "jobs/status", "letting the lease begin, which Kubernetes does by itself since 1.24", "batch"
    ),
)

# what `byok8s clean` uses beside those of a run; where one is missing it does what it can
CLEAN_RIGHTS = (
    Right("list", "jobs", "the leases, which tell the dead from the living", "batch"),
    Right("list", "secrets", "finding those whose Job is gone"),
    Right("list", "configmaps", "finding those whose Job is gone"),
)

# what a single pod of ours needs, which looks at something and is removed
PROBE_RIGHTS = tuple(
    right
    for right in RIGHTS
    if right.resource in {"pods", "pods/log"} and right.verb in {"create", "list", "delete", "get"}
)

# what `byok8s cluster fix-dns` needs beside, in kube-system; for `byok8s doctor` to look, those to list and get do
DNS_RIGHTS = (
    Right("list", "pods", "how the DNS is"),
    Right("delete", "pods", "restarting it"),
    Right("get", "configmaps", "what it forwards to"),
    Right("patch", "configmaps", "changing that"),
)

# without these it does all but what they are for
DNS_HELPFUL_RIGHTS = (
    Right("list", "deployments", "how many pods of it there should be", "apps"),
    Right("get", "pods/log", "telling a loop from other crashes"),
    Right("create", "configmaps", "that of kube-dns, if there is none"),
    Right("delete", "configmaps", "undoing that"),
)
