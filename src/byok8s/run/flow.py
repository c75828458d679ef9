"""One run: the request is checked against cluster and bucket, shown, and handed to Snakemake."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Protocol

from byok8s import __version__, errors, git, params, registry, runs, s3, workspace
from byok8s.access import preflight
from byok8s.access.preflight import Cluster
from byok8s.data import contents, fetch
from byok8s.data.inputs import Inputs, Person
from byok8s.data.targets import Targets
from byok8s.executor import capacity, key
from byok8s.fleet import record
from byok8s.history import event
from byok8s.history.sizes import Size
from byok8s.history.sizes import profile as profile_of
from byok8s.history.writer import History
from byok8s.kube import connect
from byok8s.locks.folder import FolderLock, folder_lock
from byok8s.locks.owner import LockOwner, RunLocation
from byok8s.pods.names import new_run_id
from byok8s.provenance.book import Book, opened
from byok8s.provenance.persistence import Records
from byok8s.request import Request
from byok8s.run import asked, cancel_watch, flush, snakemake_cli
from byok8s.run.adjust import CACHE
from byok8s.run.policies import check_policies
from byok8s.run_objects import clean
from byok8s.s3 import profile
from byok8s.s3.prefix_lock import prefix_lock
from byok8s.settings import default_image
from byok8s.workspace import walk

FOLDER = Path(".byok8s")
# for the record of a run to get into the bucket; after Ctrl-C somebody waits
UNHURRIED_SECONDS, HURRIED_SECONDS = 600.0, 30.0


@dataclass(frozen=True)
class RunPlan:
    """A request that can be carried out.

    bucket: with the endpoint that is really used. cluster: None for a dry run and for a run on this machine.
    run: its id. resumed: the controller that was killed during this run, where it is not a new one.
    image: of the pods. region: of the bucket, when the AWS profile says it. commit: of the workflow, if it has one.
    sizes: of rules, by earlier runs.
    """

    request: Request
    bucket: s3.Bucket
    cluster: Cluster | None
    run: str
    resumed: LockOwner | None
    image: str
    region: str | None = None
    commit: git.Commit | None = None
    sizes: tuple[Size, ...] = ()


class View(Person, Protocol):
    """Who is told of a run."""

    def show_plan(self, plan: RunPlan) -> None:
        """Before anything is created but the lock in the bucket."""

    def show_results(self, place: str) -> None:
        """Where the results are, once they are there."""

    def show_moved(self, totals: Mapping[str, int]) -> None:
        """How many bytes of files jobs in pods have moved, by the names that events have for them."""

    def show_record(self, place: str) -> None:
        """Where the run's record is in the bucket, once it is there."""

    def warn(self, words: str) -> None:
        """Of what the run goes on in spite of."""

    def can_draw(self) -> bool:
        """Return whether there is a terminal in which a view of the run can be drawn."""

    def show_run(
        self, run: str, events: Path
    ) -> contextlib.AbstractContextManager[Callable[[], bool] | None]:
        """Draw how a run is, by its events, for as long as the context lasts. It yields what tells whether it is."""


def execute(request: Request, view: View) -> int:
    """Carry out a request.

    Returns the exit code. Raises Byok8sError if cluster or bucket cannot be used, and if another run uses
    the folder or the place in the bucket.
    """
    with contextlib.ExitStack() as stack:
        lock = None if request.dry_run else stack.enter_context(folder_lock(FOLDER / "lock", view.warn))
        bucket = request.bucket or stack.enter_context(_embedded_bucket())
        region = profile.region()
        stack.enter_context(_s3_environment(bucket))
        stack.enter_context(_cache_environment())
        cluster, commit = _checked(request, bucket, view)
        plan = replace(_plan(request, bucket, cluster, lock, region, commit), sizes=_sizes(request, view))
        if lock:
            stack.enter_context(_claimed(plan, lock, view))
        view.show_plan(plan)
        targets = Targets()
        if not lock:
            return _run_snakemake(plan, view, targets)
        code, events = _carried_out(plan, view, targets)
        if plan.resumed:
            _clear(plan, view)
            lock.settle()
        if code or plan.resumed or events.any_urgent:
            _abort_uploads(plan, targets)
        _keep_record(plan, view, interrupted=code == errors.INTERRUPTED)
        view.show_moved(events.totals)
        if code == 0:
            view.show_results(_results(plan))
        if request.download and code in (0, errors.WORKFLOW_FAILED):
            _download(plan, targets.paths(), request.download, view, has_failed=code != 0)
        return code


def _checked(request: Request, bucket: s3.Bucket, view: View) -> tuple[Cluster | None, git.Commit | None]:
    """Whether the bucket and the cluster can be used: asked at once, and Snakemake is loaded while they answer.

    Returns what is known of the cluster, and the commit of the workflow.
    """
    with ThreadPoolExecutor(3) as threads:
        threads.submit(snakemake_cli.load)
        commit = threads.submit(_commit, request)
        wanted = not (request.local or request.dry_run)
        cluster = threads.submit(_checked_cluster, request, view) if wanted else None
        s3.check_bucket(bucket)
        return cluster.result() if cluster else None, commit.result()


def _checked_cluster(request: Request, view: View) -> Cluster:
    cluster = preflight.check_cluster(request, view.warn)
    check_policies(connect(request.context), cluster.namespace, request.image or default_image())
    room = capacity.look(request.context, request.pod, request.pod_template)
    return replace(
        cluster, threads=room.limit(strict=request.strict_threads), cores=room.threads or cluster.cores
    )


def _sizes(request: Request, view: View) -> tuple[Size, ...]:
    """Return what rules are to ask for by the newest runs, if that is wanted and they run in pods."""
    if not request.learned or request.bucket is None or request.local:
        return ()
    try:
        newest = runs.of_folder(runs.LEARNS_FROM) or runs.of_bucket(request.bucket, runs.LEARNS_FROM)
    except errors.Byok8sError as error:
        view.warn(f"{error} Rules get what they declare.")
        return ()
    return tuple(each.size for each in runs.learned(newest) if each.size.mem_mb or each.size.threads)


def _clear(plan: RunPlan, view: View) -> None:
    """Where nothing was left to do for a run that goes on, the executor has not met what it left in the cluster."""
    if not plan.cluster:
        return
    try:
        found = clean.find(plan.request.context, plan.cluster.namespace)
        clean.remove(found, [run for run in found.runs if run.name == plan.run])
    except errors.ClusterError as error:
        view.warn(str(error))


def _abort_uploads(plan: RunPlan, targets: Targets) -> None:
    """Remove the parts that a killed pod, or a controller before this one, has left of what the run's jobs make.

    Nobody else makes these files, and no job of the run is at work any more. What may not be listed is left to the
    bucket's owner, and what a second Ctrl-C leaves to `byok8s clean`.
    """
    made = targets.made()
    if made:
        with contextlib.suppress(errors.BucketError, KeyboardInterrupt):
            s3.abort(plan.bucket, s3.of_files(s3.unfinished(plan.bucket), made))


def _plan(
    request: Request,
    bucket: s3.Bucket,
    cluster: Cluster | None,
    lock: FolderLock | None,
    region: str | None,
    commit: git.Commit | None,
) -> RunPlan:
    resumed = lock.unfinished if lock else None
    if resumed and resumed.place != _place(request, cluster):
        resumed = None
    run = resumed.run if resumed and resumed.run else new_run_id()
    return RunPlan(request, bucket, cluster, run, resumed, _image(request, cluster, run), region, commit)


def _image(request: Request, cluster: Cluster | None, run: str) -> str:
    """Return the image of the pods; the default one by the digest that it has now, or had when the run began."""
    if request.image or cluster is None:
        return request.image or default_image()
    kept = _kept_image(run)
    return kept.read_text().strip() if kept.is_file() else registry.pinned(default_image())


def _kept_image(run: str) -> Path:
    return record.folder(run) / "image"


def _place(request: Request, cluster: Cluster | None) -> RunLocation:
    return RunLocation(
        context=cluster.context if cluster else None,
        namespace=cluster.namespace if cluster else None,
        bucket=request.bucket.url if request.bucket else None,
        endpoint=request.bucket.endpoint_url if request.bucket else None,
    )


@contextlib.contextmanager
def _claimed(plan: RunPlan, lock: FolderLock, view: View) -> Iterator[None]:
    """The run has this folder and its place in the bucket. The embedded bucket lies in the folder."""
    request = plan.request
    me = lock.begin(plan.run, _place(request, plan.cluster))
    with contextlib.ExitStack() as stack:
        if request.bucket:
            stack.enter_context(
                prefix_lock(request.bucket, me, view.warn, alone=lock.held, ignore=request.ignore_lock)
            )
        yield


def _keep_record(plan: RunPlan, view: View, *, interrupted: bool) -> None:
    """Put the logs into the bucket. The embedded bucket is on this disk, as they are.

    The params, which may hold secrets, and the run's key stay here: more people may read a bucket than this folder.
    """
    folder, request = record.folder(plan.run), plan.request
    kept_here = {_params_copy(plan), key.file(plan.run)}
    files = [file for file, _ in walk.files(folder) if file not in kept_here]
    if request.bucket is None or not files:
        return
    under = folder.as_posix()
    try:
        s3.upload(request.bucket, folder, files, under, HURRIED_SECONDS if interrupted else UNHURRIED_SECONDS)
    except errors.BucketError as error:
        view.warn(f"{error} The record of the run is in {folder} alone.")
    except KeyboardInterrupt:
        view.warn(f"The record of the run is in {folder} alone.")
    else:
        view.show_record(f"{request.bucket.url}/{under}")


def _params_copy(plan: RunPlan) -> Path:
    return record.folder(plan.run) / params.copy_name(plan.request.params_file)


def _results(plan: RunPlan) -> str:
    """Where the results are: in the bucket, or in a folder where the bucket's server ends with the run."""
    if plan.request.bucket:
        return plan.bucket.url
    folder = (FOLDER / "results").resolve()
    s3.mirror(plan.bucket, folder)
    return str(folder)


def _download(plan: RunPlan, paths: Collection[str], folder: Path, view: View, *, has_failed: bool) -> None:
    """Bring what the bucket has of a run's targets to a folder. What prevents it ends only a run that went well."""
    try:
        if paths:
            fetch.bring(plan.bucket, contents.at(plan.bucket, paths), folder, view, replace=False)
    except errors.Byok8sError as error:
        if not has_failed:
            raise
        view.warn(str(error))


def _carried_out(plan: RunPlan, view: View, targets: Targets) -> tuple[int, History]:
    """Run Snakemake, with its start and its end among the run's events. Returns the exit code and these."""
    events, bucket = record.of_run(plan.run, view.warn), plan.request.bucket
    under = record.folder(plan.run).as_posix()
    code = errors.Byok8sError.exit_code
    with (
        flush.flushed(bucket, under, events, view.warn) if bucket else contextlib.nullcontext(),
        contextlib.closing(events),
        _cancellable(plan, under, view),
        _drawn(plan, events, view) as is_drawn,
    ):
        try:
            code = _run_snakemake(plan, view, targets, events, is_drawn)
        except errors.Byok8sError as error:
            code = error.exit_code
            raise
        finally:
            if events.begun:
                state = _STATES.get(code, event.SYSTEM_ERROR)
                events.note("run.ended", {"exit": code, "state": state})
    return code, events


def _cancellable(plan: RunPlan, under: str, view: View) -> contextlib.AbstractContextManager[None]:
    if not plan.request.bucket:
        return contextlib.nullcontext()
    return cancel_watch.watched(plan.request.bucket, under, view.warn, resumed=bool(plan.resumed))


def _drawn(
    plan: RunPlan, events: History, view: View
) -> contextlib.AbstractContextManager[Callable[[], bool] | None]:
    """Draw a run in a terminal, if that is wanted. It yields what tells whether it is drawn.

    None on this machine, where jobs write to the terminal themselves.
    """
    if plan.cluster is None:
        return contextlib.nullcontext()
    if plan.request.plain or not view.can_draw():
        return contextlib.nullcontext(lambda: False)
    return view.show_run(plan.run, events.path)


_STATES = {
    0: event.COMPLETE,
    errors.WORKFLOW_FAILED: event.EXECUTOR_ERROR,
    errors.INTERRUPTED: event.CANCELED,
}


def _start(plan: RunPlan) -> dict[str, object]:
    """Return what the events say of a run as it starts. Of the params nothing: they may hold secrets."""
    request, cluster = plan.request, plan.cluster
    commit = plan.commit
    return {
        "run": plan.run,
        "byok8s": __version__,
        "snakemake": metadata.version("snakemake"),
        "snakefile": str(request.snakefile),
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


def _commit(request: Request) -> git.Commit | None:
    """Return the commit of the workflow; None for a package's, and for a folder that is in no repository."""
    if request.source is None:
        return git.commit(request.snakefile.parent)
    return git.Commit(request.source.commit, modified=False) if request.source.commit else None


def _run_snakemake(
    plan: RunPlan,
    view: View,
    targets: Targets,
    events: History | None = None,
    is_drawn: Callable[[], bool] | None = None,
) -> int:
    """events: of a run, and of a dry run none. is_drawn: returns whether a view shows the run; None on this machine."""
    with (
        _params(plan) as copy,
        _workspace(plan, view) as place,
        _records(plan, place, view) as book,
        _interruptible() as interrupted,
    ):
        if events:
            events.note("run.started", _start(plan))
            if plan.sizes:
                (record.folder(plan.run) / "sizes.yaml").write_text(f"{profile_of(plan.sizes)}\n")
        # by way of the workspace, which is what pods are given
        within = place.folder / copy
        arguments = snakemake_cli.arguments(
            plan.request, plan.bucket, plan.cluster, plan.run, plan.image, within, place
        )
        try:
            cores = plan.cluster.cores if plan.cluster else preflight.DEFAULT_CORES
            provenance = Records(book) if book else None
            software = None if plan.request.local else plan.request.software
            done = snakemake_cli.run(
                arguments,
                cores,
                targets,
                record.Record(plan.run, view.warn),
                provenance,
                software,
                plan.sizes,
                is_drawn,
            )
        except KeyboardInterrupt:
            return errors.INTERRUPTED
        except errors.InputError:
            if not interrupted():  # else it is no fault of the input that there was no first job
                raise
            return errors.INTERRUPTED
        if interrupted():
            return errors.INTERRUPTED
    return 0 if done else errors.WORKFLOW_FAILED


def _records(
    plan: RunPlan, place: workspace.Workspace, view: View
) -> contextlib.AbstractContextManager[Book | None]:
    """Have the bucket's records of how its files were made; the embedded bucket is of this folder alone."""
    bucket = plan.request.bucket
    if bucket is None:
        return contextlib.nullcontext()
    return opened(bucket, plan.run, place.user, place.root, view.warn, writes=not plan.request.dry_run)


def _workspace(plan: RunPlan, view: View) -> contextlib.AbstractContextManager[workspace.Workspace]:
    from snakemake_storage_plugin_byok8s.offers import Record, Uploads

    request = plan.request
    inputs = Inputs(
        request.upload, plan.bucket.url, view, own=request.bucket is None, dry_run=request.dry_run
    )
    uploads = Uploads(inputs.agree, Record(Path.cwd()), wanted=inputs.wanted)
    keep = "--keep-storage-local-copies" in request.snakemake_arguments
    return workspace.entered(
        request.source, request.snakefile, dry_run=request.dry_run, keep=keep, uploads=uploads, tell=view.warn
    )


@contextlib.contextmanager
def _params(plan: RunPlan) -> Iterator[Path]:
    """A copy of the params, in the run's record: in the working folder, from where it reaches the pods.

    A dry run leaves no record, nor does a new run that Snakemake refuses.
    """
    kept = record.folder(plan.run)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory())) if plan.request.dry_run else kept
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if plan.cluster:
            (folder / _kept_image(plan.run).name).write_text(f"{plan.image}\n")
        copy = folder / _params_copy(plan).name
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


@contextlib.contextmanager
def _embedded_bucket() -> Iterator[s3.Bucket]:
    """The S3 server of a run on this machine without a bucket; its data stays for the next run."""
    with s3.embedded_server(FOLDER / "s3") as server:
        keys = server.credentials
        with _environment(
            AWS_ACCESS_KEY_ID=keys.access_key,
            AWS_SECRET_ACCESS_KEY=keys.secret_key,
            AWS_SESSION_TOKEN=None,
            AWS_PROFILE=None,  # one that does not exist is an error even where it is not needed
        ):
            yield server.bucket


@contextlib.contextmanager
def _s3_environment(bucket: s3.Bucket) -> Iterator[None]:
    """The endpoint goes where S3's own tools look for it: so the storage plugin, other plugins of the
    workflow and `aws` in a rule's commands all use the same server.
    """
    found = profile.environment()
    if bucket.endpoint_url:
        found |= dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"), bucket.endpoint_url)
    with _environment(**found):
        yield


@contextlib.contextmanager
def _cache_environment() -> Iterator[None]:
    """The folder of Snakemake's cache between workflows is named from where byok8s was started."""
    place = os.environ.get(CACHE, "")
    with _environment(**{CACHE: str(Path(place).absolute())} if place and "://" not in place else {}):
        yield


@contextlib.contextmanager
def _environment(**variables: str | None) -> Iterator[None]:
    """Variables of this process and its children, for a while; None takes one away."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Snakemake ends an interrupted run like a failed one; this remembers which of the two it was."""
    interrupts = []

    def remember(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, before)
