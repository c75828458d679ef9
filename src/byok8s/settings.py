"""Settings that a run takes from several places; the first that says something counts.

1. the flag on the command line
2. the environment: BYOK8S_ and the flag's name, as in BYOK8S_S3_BUCKET
   (for --s3-endpoint-url also AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL, as S3's own tools)
3. the workflow file
4. the user's config file, $XDG_CONFIG_HOME/byok8s/config.yaml (usually ~/.config/byok8s/config.yaml)

click knows 1 and 2; `resolve` adds the files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from byok8s import files
from byok8s.choices import Sizes, Software, UploadMode
from byok8s.errors import InputError
from byok8s.s3 import Bucket, profile

DEFAULT_JOBS = 16
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - compared with, not bound to


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one place says; None of a field means that it says nothing. The names are those of the flags."""

    snakefile: str | None = None
    """Path of the Snakefile."""

    s3_bucket: str | None = None
    """BUCKET or BUCKET/PREFIX."""

    s3_endpoint_url: str | None = None
    """The S3 server; AWS if nobody names one."""

    k8s_namespace: str | None = None
    """The namespace of the run's pods; that of the context if nobody names one."""

    context: str | None = None
    """The context of the kubeconfig; the current one if nobody names one."""

    image: str | None = None
    """The image of the pods; `default_image` if nobody names one."""

    jobs: int | None = None
    """How many jobs run at once; at least 1, and DEFAULT_JOBS if nobody says."""

    local: bool | None = None
    """Whether the jobs run on this machine."""

    no_reuse: bool | None = None
    """Whether each job has a pod of its own."""

    reuse_factor: float | None = None
    """How many times what a job asks for the pod of the worker that takes it may have."""

    no_credentials: bool | None = None
    """Whether pods get no copy of the S3 credentials that are used here."""

    strict_threads: bool | None = None
    """Whether no job gets fewer threads than it asks for."""

    plain: bool | None = None
    """Whether no view of the run is drawn in a terminal."""

    otlp: str | None = None
    """The OpenTelemetry collector that gets the run's record: its URL, or env for what its own variables name."""

    oom_retries: int | None = None
    """How many more tries a job has that ran out of memory."""

    oom_factor: float | None = None
    """The memory of each such try, as a multiple of that of the one before."""

    pending_timeout: float | None = None
    """Minutes that a pod may be without a node."""

    pod: dict[str, object] | None = None
    """Options of all pods, by name: docs/pods.md has them."""

    pod_template: str | None = None
    """Path of a Pod to merge under ours."""

    upload: bool | UploadMode | None = None
    """Whether inputs that are here and not in the bucket go there. YAML reads yes and no as true and false."""

    download: str | None = None
    """The folder to which targets are brought."""

    software: Software | None = None
    """What rules get of the software that they declare."""

    channel_alias: str | None = None
    """A mirror of the conda channels."""

    cache: str | None = None
    """The PersistentVolumeClaim in which workers and runs keep inputs for each other."""

    sizes: Sizes | None = None
    """Whether rules get the memory and threads that they declare, or those that earlier runs have shown."""


class WorkflowFile(Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a workflow file may hold: a target, a description, and defaults for the flags."""

    workflow_target: str | list[str] | None = None
    """The rule or files to make; Snakemake's default target if nobody says."""

    description: str | None = None
    """A line about it, for lists of workflows."""


def default_image() -> str:
    """Return Snakemake's own image, in the version that is used here."""
    return f"snakemake/snakemake:v{metadata.version('snakemake')}"


def user_config() -> Settings:
    """Read the user's config file; return empty Settings if there is none. Raises InputError if it cannot be used."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = home / "byok8s" / "config.yaml"
    return files.load_as(path, Settings) if path.is_file() else Settings()


def resolve(places: Sequence[Settings]) -> Settings:
    """Make one Settings of several, of which the first that says something counts."""
    names = [field.name for field in msgspec.structs.fields(Settings)]
    found = {name: [getattr(place, name) for place in places] for name in names}
    said = {
        name: next((value for value in values if value is not None), None) for name, values in found.items()
    }
    return msgspec.convert(said, Settings)


def named_bucket(settings: Settings, *, local: bool) -> Bucket | None:
    """None if none is named. local: whether it need not be reached from pods. Raises InputError."""
    if not settings.s3_bucket:
        return None
    bucket = Bucket.parse(settings.s3_bucket, settings.s3_endpoint_url or profile.endpoint())
    if not local and bucket.endpoint_url and urlsplit(bucket.endpoint_url).hostname in THIS_MACHINE:
        raise InputError(
            f"Pods cannot reach the S3 server at {bucket.endpoint_url}: that address is this machine.",
            hint="Give it by an address that the cluster's nodes can reach, or run with --local.",
        )
    return bucket
