"""What the user asks for, with everything in it looked up and checked on this machine alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from byok8s import files
from byok8s import params as params_files
from byok8s.errors import InputError
from byok8s.s3 import Bucket
from byok8s.settings import DEFAULT_JOBS, Settings, WorkflowFile, resolve, user_config

SNAKEFILES = (Path("Snakefile"), Path("workflow", "Snakefile"))
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - compared with, not bound to


Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Request:
    """One run, as asked for.

    params: what the params file holds, with the defaults of the workflow's schema.
    bucket: None only with `local`, for the embedded one. namespace and image: None for the default.
    jobs: how many at once. oom_retries, oom_factor, pending_timeout: None for the
    executor's default. pod: words of all pods. ignore_lock: run beside another run at the same place in the
    bucket. snakemake_arguments: for Snakemake, unchanged.
    """

    workflow_file: Path
    params_file: Path
    params: Mapping[str, object]
    snakefile: Path
    targets: tuple[str, ...]
    bucket: Bucket | None
    context: str | None
    namespace: str | None
    image: str | None
    jobs: int | None
    local: bool
    no_reuse: bool
    no_credentials: bool
    oom_retries: int | None
    oom_factor: float | None
    pending_timeout: float | None
    pod: Mapping[str, object]
    pod_template: str | None
    dry_run: bool
    force: bool
    ignore_lock: bool
    snakemake_arguments: tuple[str, ...]


def read_request(
    workflow: str,
    params: str,
    targets: Sequence[str],
    said: Settings,
    *,
    dry_run: bool,
    force: bool,
    ignore_lock: bool,
    snakemake_arguments: Sequence[str],
) -> Request:
    """Find and read the files, and settle every setting.

    workflow, params: a file or its stem. targets: instead of the workflow file's own. said: by flags and
    environment. Raises InputError.
    """
    workflow_file, params_file = files.find("workflow file", workflow), files.find("params file", params)
    content = files.load_as(workflow_file, WorkflowFile)
    settings = resolve([said, content, user_config()])
    snakefile = _snakefile(settings.snakefile)
    _at_least(1, "jobs", settings.jobs)
    local = bool(settings.local)
    return Request(
        workflow_file=workflow_file,
        params_file=params_file,
        params=params_files.read(params_file, snakefile),
        snakefile=snakefile,
        targets=tuple(targets) or _targets(workflow_file, content),
        bucket=_bucket(settings, local=local),
        context=settings.context,
        namespace=settings.k8s_namespace,
        image=settings.image,
        jobs=settings.jobs if local else settings.jobs or DEFAULT_JOBS,
        local=local,
        no_reuse=bool(settings.no_reuse),
        no_credentials=bool(settings.no_credentials),
        oom_retries=_at_least(0, "oom_retries", settings.oom_retries),
        oom_factor=_at_least(1, "oom_factor", settings.oom_factor),
        pending_timeout=_at_least(0, "pending_timeout", settings.pending_timeout),
        pod=settings.pod or {},
        pod_template=settings.pod_template,
        dry_run=dry_run,
        force=force,
        ignore_lock=ignore_lock,
        snakemake_arguments=tuple(snakemake_arguments),
    )


def _at_least(least: int, flag: str, value: Number | None) -> Number | None:
    if value is not None and value < least:
        raise InputError(f"--{flag.replace('_', '-')} must be at least {least}, not {value}.")
    return value


def _snakefile(name: str | None) -> Path:
    places = [Path(name).expanduser()] if name else list(SNAKEFILES)
    found = next((place.resolve() for place in places if place.is_file()), None)
    if found is None:
        raise InputError(
            "There is no Snakefile.",
            where="Looked for " + ", ".join(map(str, places)) + f" (in {Path.cwd()}).",
            hint="Start byok8s in the workflow's folder, or name the file with --snakefile.",
        )
    if not found.is_relative_to(Path.cwd().resolve()):
        raise InputError(
            "The Snakefile must lie in the working folder or below it, so that pods can be given it.",
            where=f"It is {found}; the working folder is {Path.cwd()}.",
            hint=f"cd {found.parent}",
        )
    return found


def _targets(path: Path, content: WorkflowFile) -> tuple[str, ...]:
    target = content.workflow_target
    found = (target,) if isinstance(target, str) else tuple(target or ())
    if not any(found):
        raise InputError(
            f"{path.name} does not say what to make.",
            where=f"In {path}.",
            hint='Add "workflow_target": a rule or file of the Snakefile or a list of them; or give TARGET.',
        )
    return found


def _bucket(settings: Settings, *, local: bool) -> Bucket | None:
    bucket = named_bucket(settings, local=local)
    if bucket is None and not local:
        raise InputError(
            "No bucket is named for the workflow's files.",
            hint="Name one with --s3-bucket=BUCKET or BYOK8S_S3_BUCKET; or run on this machine with --local.",
        )
    return bucket


def named_bucket(settings: Settings, *, local: bool) -> Bucket | None:
    """None where none is named. local: whether it need not be reached from pods. Raises InputError."""
    if not settings.s3_bucket:
        return None
    bucket = Bucket.parse(settings.s3_bucket, settings.s3_endpoint_url)
    if not local and bucket.endpoint_url and urlsplit(bucket.endpoint_url).hostname in THIS_MACHINE:
        raise InputError(
            f"Pods cannot reach the S3 server at {bucket.endpoint_url}: that address is this machine.",
            hint="Give it by an address that the cluster's nodes can reach, or run with --local.",
        )
    return bucket
