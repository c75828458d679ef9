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
from typing import Literal, TypeAlias

import msgspec

from byok8s import files
from byok8s.inputs import Mode
from byok8s.software import Software

DEFAULT_JOBS = 16
Sizes: TypeAlias = Literal["declared", "learned"]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """None if nothing was said. The names are those of the flags.

    snakefile: path. s3_bucket: BUCKET or BUCKET/PREFIX. jobs: how many at once. image: of the pods.
    local: run on this machine. no_reuse: a pod for each job.
    reuse_factor: how many times what a job asks for the pod of the worker that takes it may have.
    no_credentials: pods get no copy of the S3 credentials that are used here.
    strict_threads: no job gets fewer threads than it asks for. plain: no view of the run is drawn in a terminal.
    oom_retries: more tries, each with oom_factor times the memory, of a job that ran out of it.
    pending_timeout: minutes that a pod may be without a node. pod: what all pods are to have, by its word.
    pod_template: path of a Pod to merge under ours. upload: inputs that are here and not in the bucket; as YAML reads
    yes and no, these may be true and false. download: folder to which targets are brought. software: of rules:
    their conda environments, or what the image has. channel_alias: mirror of the conda channels.
    sizes: memory and threads of rules, as they declare them or as earlier runs have shown.
    """

    snakefile: str | None = None
    s3_bucket: str | None = None
    s3_endpoint_url: str | None = None
    k8s_namespace: str | None = None
    context: str | None = None
    image: str | None = None
    jobs: int | None = None
    local: bool | None = None
    no_reuse: bool | None = None
    reuse_factor: float | None = None
    no_credentials: bool | None = None
    strict_threads: bool | None = None
    plain: bool | None = None
    oom_retries: int | None = None
    oom_factor: float | None = None
    pending_timeout: float | None = None
    pod: dict[str, object] | None = None
    pod_template: str | None = None
    upload: bool | Mode | None = None
    download: str | None = None
    software: Software | None = None
    channel_alias: str | None = None
    sizes: Sizes | None = None


class WorkflowFile(Settings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a workflow file may hold: its target, a word about it, and defaults for the flags."""

    workflow_target: str | list[str] | None = None
    description: str | None = None


def default_image() -> str:
    """Of the pods where nothing is said: Snakemake's own, in the version that is used here."""
    return f"snakemake/snakemake:v{metadata.version('snakemake')}"


def user_config() -> Settings:
    """The user's config file; nothing if there is none. Raises InputError if it cannot be used."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = home / "byok8s" / "config.yaml"
    return files.load_as(path, Settings) if path.is_file() else Settings()


def resolve(places: Sequence[Settings]) -> Settings:
    """One Settings of several, the first first."""
    names = [field.name for field in msgspec.structs.fields(Settings)]
    found = {name: [getattr(place, name) for place in places] for name in names}
    said = {
        name: next((value for value in values if value is not None), None) for name, values in found.items()
    }
    return msgspec.convert(said, Settings)
