"""What the user asks for, with everything in it looked up and checked on this machine alone."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from byok8s import files, git
from byok8s import params as params_files
from byok8s.choices import Software, UploadMode
from byok8s.errors import InputError
from byok8s.named import named
from byok8s.root import find_root
from byok8s.s3 import Bucket
from byok8s.settings import DEFAULT_JOBS, Settings, WorkflowFile, named_bucket, resolve, user_config
from byok8s.software import channels
from byok8s.workspace import Source

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Request:
    """One run, as asked for.

    workflow_file, params_file: None if none is named. params: what the params file holds, with the defaults of the
    workflow's schema. targets: none for the Snakefile's default target.
    source: of the workflow, where that is not in the user's folders; snakefile is then within it, else absolute.
    root: the smallest folder that holds the working folder, the Snakefile and that of Snakemake's --directory.
    bucket: None only with `local`, for the embedded one. namespace and image: None for the default.
    jobs: how many at once. reuse_factor, oom_retries, oom_factor, pending_timeout: None for the
    executor's default. pod: words of all pods. upload: whether inputs that only this machine has are uploaded.
    download: the folder to which targets are brought, None for none.
    software: what rules get; declared: all that they declare, or the run is refused.
    learned: whether rules get the memory and threads that earlier runs have shown to be enough.
    cache: the claim in which workers and runs keep inputs for each other, None for none.
    channel_alias: mirror of the conda channels, None for none. plain: whether no view of the run is drawn.
    otlp: the OpenTelemetry collector that gets the record, as a setting has it; None for none.
    ignore_lock: run beside another run at the same place in the bucket. snakemake_arguments: for Snakemake, unchanged.
    """

    workflow_file: Path | None
    params_file: Path | None
    source: Source | None
    params: Mapping[str, object]
    snakefile: Path
    root: Path
    targets: tuple[str, ...]
    bucket: Bucket | None
    context: str | None
    namespace: str | None
    image: str | None
    jobs: int | None
    local: bool
    no_reuse: bool
    reuse_factor: float | None
    no_credentials: bool
    strict_threads: bool
    plain: bool
    otlp: str | None
    oom_retries: int | None
    oom_factor: float | None
    pending_timeout: float | None
    pod: Mapping[str, object]
    pod_template: str | None
    upload: UploadMode
    download: Path | None
    software: Software
    channel_alias: str | None
    cache: str | None
    learned: bool
    dry_run: bool
    force: bool
    ignore_lock: bool
    snakemake_arguments: tuple[str, ...]


def read_request(
    words: Sequence[str],
    said: Settings,
    *,
    dry_run: bool,
    force: bool,
    ignore_lock: bool,
    snakemake_arguments: Sequence[str],
    source: Source | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Request:
    """Find and read the files, and settle every setting.

    words: of the command line, as byok8s.named has them. said: by flags and environment. source: of a package's
    workflow. say: is told when a repository is fetched. Raises InputError.
    """
    fetched = None if source else _fetched(said.snakefile, say)
    source = source or (fetched and fetched[0])
    elsewhere = source.folder if source else None
    found = named(words, elsewhere, snakefile=said.snakefile is not None)
    content = files.load_as(found.workflow, WorkflowFile) if found.workflow else WorkflowFile()
    settings = resolve([said, content, user_config()])
    source, snakefile = fetched or locate(settings.snakefile, source, say)
    _at_least(1, "jobs", settings.jobs)
    local = bool(settings.local)
    return Request(
        workflow_file=found.workflow,
        params_file=found.params,
        source=source,
        params=params_files.read(found.params, params_files.folders(snakefile, source)),
        snakefile=snakefile,
        root=_root(None if source else snakefile, snakemake_arguments),
        targets=found.targets or _targets(found.workflow, content),
        bucket=_bucket(settings, local=local),
        context=settings.context,
        namespace=settings.k8s_namespace,
        image=settings.image,
        jobs=settings.jobs if local else settings.jobs or DEFAULT_JOBS,
        local=local,
        no_reuse=bool(settings.no_reuse),
        reuse_factor=_at_least(1, "reuse_factor", settings.reuse_factor),
        no_credentials=bool(settings.no_credentials),
        strict_threads=bool(settings.strict_threads),
        plain=bool(settings.plain),
        otlp=settings.otlp,
        oom_retries=_at_least(0, "oom_retries", settings.oom_retries),
        oom_factor=_at_least(1, "oom_factor", settings.oom_factor),
        pending_timeout=_at_least(0, "pending_timeout", settings.pending_timeout),
        pod=settings.pod or {},
        pod_template=settings.pod_template,
        upload=_upload(settings.upload),
        download=_download(settings.download),
        software=settings.software or ("image" if settings.image or local else "declared"),
        channel_alias=_channel_alias(settings.channel_alias),
        cache=settings.cache,
        learned=settings.sizes == "learned",
        dry_run=dry_run,
        force=force,
        ignore_lock=ignore_lock,
        snakemake_arguments=tuple(snakemake_arguments),
    )


def _channel_alias(address: str | None) -> str | None:
    channels.refuse_in_alias(address or "")
    return address


def _at_least(least: int, flag: str, value: Number | None) -> Number | None:
    if value is not None and value < least:
        raise InputError(f"--{flag.replace('_', '-')} must be at least {least}, not {value}.")
    return value


def _download(said: str | None) -> Path | None:
    """Raises InputError for a folder that files cannot be put into."""
    if not said:
        return None
    folder = Path(said).absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        raise InputError(f"--download {said}: {there} is no folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"--download {said}: {there} cannot be written to.")
    return folder


def _upload(said: bool | UploadMode | None) -> UploadMode:
    if isinstance(said, bool):
        return "yes" if said else "no"
    return said or "ask"


def _fetched(name: str | None, say: Callable[[str], None]) -> tuple[Source, Path] | None:
    """The repository that is named in a Snakefile's place, and the Snakefile in it; None if none is."""
    address = git.parse(name) if name else None
    if address is None:
        return None
    checkout = git.fetch(address, say=say)
    place = replace(address, snakefile=None)
    commit = "" if place.ref == checkout.commit else f" (commit {checkout.commit})"
    source = Source(
        f"{place}{commit}",
        checkout.folder,
        packaged=False,
        commit=checkout.commit,
        origin=git.repository(place.url),
    )
    return source, Path(checkout.snakefile)


def locate(name: str | None, source: Source | None, say: Callable[[str], None]) -> tuple[Source | None, Path]:
    """The Snakefile, and where it is from: of a source within it, else absolute.

    name: as given; None for the usual places. source: of a package. say: is told when a repository is fetched. Raises
    InputError.
    """
    if source:
        return source, _snakefile_of(source, name)
    return _fetched(name, say) or (None, _own_snakefile(name))


def _own_snakefile(name: str | None) -> Path:
    places = [Path(name).expanduser()] if name else list(files.SNAKEFILES)
    found = next((place.resolve() for place in places if place.is_file()), None)
    if found is None:
        raise InputError(
            "There is no Snakefile.",
            where="Looked for " + ", ".join(map(str, places)) + f" (in {Path.cwd()}).",
            hint=f"A git repository is named git+{name}, with @ and a tag or commit behind it."
            if name and "://" in name
            else "Start byok8s in the workflow's folder, or name the file with --snakefile.",
        )
    return found


def _root(snakefile: Path | None, snakemake_arguments: Sequence[str]) -> Path:
    """Return the root of the user's own folders. snakefile: None if it is from elsewhere."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-d", "--directory", type=Path, nargs="?")
    directory: Path | None = parser.parse_known_args([*snakemake_arguments])[0].directory
    return find_root(Path.cwd(), *filter(None, (snakefile, directory)))


def _snakefile_of(source: Source, name: str | None) -> Path:
    """Within a package, or in its place in the working folder."""
    places = [Path(name)] if name else list(files.SNAKEFILES)
    for place in places:
        within = not place.is_absolute() and ".." not in place.parts
        if within and any((folder / place).is_file() for folder in (Path.cwd(), source.folder)):
            return place
    raise InputError(
        f"There is no Snakefile in {source.name}.", where="Looked for " + ", ".join(map(str, places)) + "."
    )


def _targets(path: Path | None, content: WorkflowFile) -> tuple[str, ...]:
    """Return the workflow file's targets, none for the Snakefile's default one."""
    target = content.workflow_target
    if target is None or path is None:
        return ()
    found = (target,) if isinstance(target, str) else tuple(target)
    if not found or not all(found):
        raise InputError(
            f"{path.name} does not say what to make: its workflow_target is empty.",
            where=f"In {path}.",
            hint="Name a rule or file of the Snakefile or a list of them, or leave it out for the default target.",
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
