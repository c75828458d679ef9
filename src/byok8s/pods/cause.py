"""The names of failures. Each has a page in `byok8s/failures/SLUG.md`, which `byok8s explain SLUG` prints."""

from __future__ import annotations

from enum import Enum


class FailureKind(Enum):
    """Whose failure it is, and so what can be done without asking anybody."""

    JOB = "job"  # it would fail again: told at once, and the user's --retries decide
    INFRASTRUCTURE = "infrastructure"  # no fault of the job: another try may well succeed
    BLOCKED = "blocked"  # no pod like this will run until somebody changes something


class Cause(Enum):
    """Why a pod or a job did not do what it should. The value is the slug that people read and link to."""

    EXIT_CODE = "exit-code"
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out-of-memory"
    DISK_FULL = "disk-full"
    DEADLINE = "deadline"
    MISSING_INPUT = "missing-input"
    MISSING_OUTPUT = "missing-output"
    UNFIT_OUTPUT = "unfit-output"
    SNAKEFILE = "snakefile"
    SNAKEMAKE_VERSION = "snakemake-version"
    UNKNOWN = "unknown"

    CONDA_UNSOLVABLE = "conda-unsolvable"
    CONDA_CHANNEL = "conda-channel"
    CONDA_DENIED = "conda-denied"
    CONDA_INSTALL = "conda-install"
    CONDA_POST_DEPLOY = "conda-post-deploy"
    CONDA_IMAGE = "conda-image"
    CONDA_PLATFORM = "conda-platform"
    CONDA_CHANGED = "conda-changed"

    CONTAINER_NO_SHELL = "container-no-shell"
    CONTAINER_PLATFORM = "container-platform"

    EVICTED = "evicted"
    PREEMPTED = "preempted"
    NODE_LOST = "node-lost"
    NODE_SHUTDOWN = "node-shutdown"
    NODE_REFUSED = "node-refused"
    POD_DELETED = "pod-deleted"
    POD_NETWORK = "pod-network"
    WORKER_LOST = "worker-lost"
    API_ERROR = "api-error"

    IMAGE_NOT_FOUND = "image-not-found"
    IMAGE_TAG_NOT_FOUND = "image-tag-not-found"
    IMAGE_DENIED = "image-denied"
    IMAGE_REGISTRY_UNREACHABLE = "image-registry-unreachable"
    IMAGE_THROTTLED = "image-throttled"
    IMAGE_INVALID = "image-invalid"
    IMAGE_NOT_PULLED = "image-not-pulled"
    CONTAINER_CANNOT_START = "container-cannot-start"
    VOLUME = "volume"
    UNSCHEDULABLE = "unschedulable"
    QUOTA = "quota"
    ADMISSION = "admission"
    FORBIDDEN = "forbidden"
    POD_INVALID = "pod-invalid"

    DNS = "dns"
    S3_DENIED = "s3-denied"
    S3_NO_BUCKET = "s3-no-bucket"
    S3_THROTTLED = "s3-throttled"
    S3_CLOCK_SKEW = "s3-clock-skew"
    S3_UNREACHABLE = "s3-unreachable"

    @property
    def kind(self) -> FailureKind:
        return _KINDS[self]

    @property
    def of_image(self) -> bool:
        return self.value.startswith("image-")


_KINDS = (
    dict.fromkeys(
        (
            Cause.EXIT_CODE,
            Cause.SIGNAL,
            Cause.OUT_OF_MEMORY,
            Cause.DISK_FULL,
            Cause.DEADLINE,
            Cause.MISSING_INPUT,
            Cause.MISSING_OUTPUT,
            Cause.UNFIT_OUTPUT,
            Cause.SNAKEFILE,
            Cause.SNAKEMAKE_VERSION,
            Cause.UNKNOWN,
            *(cause for cause in Cause if cause.value.startswith("conda-")),
            Cause.CONTAINER_NO_SHELL,
            Cause.CONTAINER_PLATFORM,
            # a key or a bucket that is refused is refused again; but another job may have another
            Cause.S3_DENIED,
            Cause.S3_NO_BUCKET,
        ),
        FailureKind.JOB,
    )
    | dict.fromkeys(
        (
            Cause.EVICTED,
            Cause.PREEMPTED,
            Cause.NODE_LOST,
            Cause.NODE_SHUTDOWN,
            Cause.NODE_REFUSED,
            Cause.POD_DELETED,
            Cause.POD_NETWORK,
            Cause.WORKER_LOST,
            Cause.API_ERROR,
            Cause.DNS,
            Cause.S3_THROTTLED,
            Cause.S3_CLOCK_SKEW,  # it is the node's clock: another node may be right
            Cause.S3_UNREACHABLE,
        ),
        FailureKind.INFRASTRUCTURE,
    )
    | dict.fromkeys(
        (
            *(cause for cause in Cause if cause.of_image),
            Cause.CONTAINER_CANNOT_START,
            Cause.VOLUME,
            Cause.UNSCHEDULABLE,
            Cause.QUOTA,
            Cause.ADMISSION,
            Cause.FORBIDDEN,
            Cause.POD_INVALID,
        ),
        FailureKind.BLOCKED,
    )
)


# What Kubernetes has a reason of one word for, in words for people
SAID = {
    Cause.EVICTED: "its pod was evicted",
    Cause.DISK_FULL: "it used more disk than it may, and was evicted",
    Cause.PREEMPTED: "its pod had to make room for one of a higher priority",
    Cause.NODE_LOST: "its node was lost",
    Cause.NODE_SHUTDOWN: "its node was shut down",
    Cause.NODE_REFUSED: "its node did not take the pod",
    Cause.DEADLINE: "its pod ran longer than it may",
    Cause.VOLUME: "a volume of its pod is missing",
    Cause.POD_NETWORK: "its pod gets no network",
    Cause.CONTAINER_CANNOT_START: "its container cannot start",
    Cause.UNSCHEDULABLE: "no node takes it yet",
}


def named(slug: str) -> Cause | None:
    """The cause of this slug; None for one that another version of the worker may know."""
    return next((cause for cause in Cause if cause.value == slug), None)
