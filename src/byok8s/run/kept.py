"""What a run keeps of itself: in `.byok8s/runs/RUN`, and at its end in the bucket."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from byok8s import __version__, errors, git, params, s3
from byok8s.executor import key
from byok8s.fleet import record
from byok8s.request import Request
from byok8s.run import asked
from byok8s.run.plan import RunPlan, View, kept_image
from byok8s.run_record import LOGS, LOGS_ARCHIVE
from byok8s.workspace import walk

# for the record of a run to get into the bucket; after Ctrl-C somebody waits
UNHURRIED_SECONDS, HURRIED_SECONDS = 600.0, 30.0
SMALL_BYTES: Final = 16 * 1024  # logs of that size go together


def start(plan: RunPlan) -> dict[str, object]:
    """Return what the events say of a run as it starts. Of the params nothing: they may hold secrets."""
    request, cluster = plan.request, plan.cluster
    commit = plan.commit
    return {
        "run": plan.run,
        "byok8s": __version__,
        "snakemake": metadata.version("snakemake"),
        "snakefile": str(request.snakefile),
        "workflow": workflow(request),
        "command": asked.command(sys.argv),
        "workflow_file": str(request.workflow_file) if request.workflow_file else None,
        "params_file": str(request.params_file) if request.params_file else None,
        "source": request.source.name if request.source else None,
        "commit": commit.name if commit else None,
        "modified": commit.modified if commit else None,
        "targets": list(request.targets) or None,
        "bucket": request.bucket.url if request.bucket else None,
        "context": cluster.context if cluster else None,
        "namespace": cluster.namespace if cluster else None,
        "kubernetes": cluster.version if cluster else None,
        "image": plan.image if cluster else None,
        "most_jobs": request.jobs,
        "resumed": bool(plan.resumed),
    }


def params_copy(plan: RunPlan) -> Path:
    return record.folder(plan.run) / params.copy_name(plan.request.params_file)


@contextlib.contextmanager
def params_file(plan: RunPlan) -> Iterator[Path]:
    """Have a copy of the params in the run's record: in the working folder, from where it reaches the pods.

    A dry run leaves no record, nor does a new run that Snakemake refuses.
    """
    kept = record.folder(plan.run)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory())) if plan.request.dry_run else kept
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if plan.cluster:
            (folder / kept_image(plan.run).name).write_text(f"{plan.image}\n")
        copy = folder / params_copy(plan).name
        _write_like(
            plan.request.params_file, copy, params.copy(plan.request.params_file, plan.request.params)
        )
        try:
            yield copy
        except errors.InputError:
            if not plan.resumed:
                shutil.rmtree(kept, ignore_errors=True)
            raise


def _write_like(source: Path | None, copy: Path, content: bytes) -> None:
    """Write what may hold secrets, for nobody to read who could not read the source."""
    mode = source.stat().st_mode & 0o777 if source else 0o600
    copy.unlink(missing_ok=True)
    with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o700 | 0o600), "wb") as opened:
        os.fchmod(opened.fileno(), mode | 0o600)
        opened.write(content)


def put_record(plan: RunPlan, view: View, *, interrupted: bool) -> None:
    """Put a run's record into the bucket. The embedded bucket is on this disk, as the record is.

    The params, which may hold secrets, and the run's key stay here: more people may read a bucket than this folder.
    """
    folder, request = record.folder(plan.run), plan.request
    kept_here = {params_copy(plan), key.file(plan.run)}
    files = {file: status.st_size for file, status in walk.files(folder) if file not in kept_here}
    if request.bucket is None or not files:
        return
    under = folder.as_posix()
    try:
        seconds = HURRIED_SECONDS if interrupted else UNHURRIED_SECONDS
        s3.upload(request.bucket, _contents(folder, files), under, seconds)
    except (errors.BucketError, OSError) as error:
        view.warn(f"{error} The record of the run is in {folder} alone.")
    except KeyboardInterrupt:
        view.warn(f"The record of the run is in {folder} alone.")
    else:
        view.show_record(f"{request.bucket.url}/{under}")


def _contents(folder: Path, files: Mapping[Path, int]) -> Mapping[str, Path | bytes]:
    """Return a record's objects, by their names: small logs are one together, or a run would end with 10,000 requests.

    files: their sizes.
    """
    small = [
        file for file in sorted(files) if file.is_relative_to(folder / LOGS) and files[file] <= SMALL_BYTES
    ]
    contents: dict[str, Path | bytes] = {
        file.relative_to(folder).as_posix(): file for file in files.keys() - set(small)
    }
    return contents | ({LOGS_ARCHIVE: s3.archive(folder, small)} if small else {})


def workflow(request: Request) -> str:
    """Return what a workflow is known by in the records of its runs, on each machine and after each change."""
    file = request.snakefile
    if request.source:
        return f"{request.source.origin}#{file}"
    if found := git.within_repository(file):
        return "#".join(found)
    folder = Path.cwd() if file.is_relative_to(Path.cwd()) else file.parent
    return f"{folder.name}#{file.relative_to(folder)}"


def commit(request: Request) -> git.Commit | None:
    """Return the commit of the workflow; None for a package's, and for a folder that is in no repository."""
    if request.source is None:
        return git.commit(request.snakefile.parent)
    return git.Commit(request.source.commit, modified=False) if request.source.commit else None
