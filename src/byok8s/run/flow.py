"""One run: the request is checked against cluster and bucket, shown, and handed to Snakemake."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Thread

from byok8s import errors, git, runs, s3, workspace
from byok8s.access import preflight
from byok8s.access.preflight import Cluster
from byok8s.data import contents, fetch
from byok8s.data.inputs import Inputs
from byok8s.data.targets import Targets
from byok8s.executor import capacity
from byok8s.fleet import interrupts, record
from byok8s.history import event
from byok8s.history.sizes import Size
from byok8s.history.sizes import profile as profile_of
from byok8s.history.writer import History
from byok8s.kube import connect
from byok8s.locks.folder import FolderLock, folder_lock
from byok8s.otlp import address, export
from byok8s.provenance.book import Book, opened
from byok8s.provenance.persistence import Records
from byok8s.request import Request
from byok8s.run import cancel_watch, environment, flush, kept, snakemake_cli, uploads
from byok8s.run.drawing import Drawing
from byok8s.run.plan import RunPlan, View, place, planned
from byok8s.run.policies import check_policies
from byok8s.run_objects import clean
from byok8s.s3 import profile
from byok8s.s3.prefix_lock import prefix_lock
from byok8s.settings import default_image

FOLDER = Path(".byok8s")


def execute(request: Request, view: View) -> int:
    """Carry out a request.

    Returns the exit code. Raises Byok8sError if cluster or bucket cannot be used, and if another run uses
    the folder or the place in the bucket.
    """
    traces = address.address(request.otlp) if request.otlp else None
    with contextlib.ExitStack() as stack:
        lock = None if request.dry_run else stack.enter_context(folder_lock(FOLDER / "lock", view.warn))
        loading = Thread(target=snakemake_cli.load)
        loading.start()
        bucket = request.bucket or stack.enter_context(environment.embedded_bucket(FOLDER / "s3"))
        region = profile.region()
        stack.enter_context(environment.of_s3(bucket))
        stack.enter_context(environment.of_cache())
        cluster, commit = _checked(request, bucket, view)
        loading.join()  # two threads that load modules which need each other could see half of them
        plan = replace(planned(request, bucket, cluster, lock, region, commit), sizes=_sizes(request, view))
        if lock:
            stack.enter_context(_claimed(plan, lock, view))
        view.show_plan(plan)
        targets = Targets()
        if not lock:
            return _run_snakemake(plan, view, targets)
        noted = record.of_run(plan.run, view.warn).path
        stack.enter_context(export.sent(traces, plan.run, noted, view.warn))
        code, events = _carried_out(plan, view, targets)
        if plan.resumed:
            _clear(plan, view)
            lock.settle()
        if code or plan.resumed or events.any_urgent:
            uploads.abort(plan, targets)
        kept.put_record(plan, view, interrupted=code == errors.INTERRUPTED)
        view.show_moved(events.totals)
        if code == 0:
            view.show_results(_results(plan))
        if request.download and code in (0, errors.WORKFLOW_FAILED):
            _download(plan, targets.paths(), request.download, view, has_failed=code != 0)
        return code


def _checked(request: Request, bucket: s3.Bucket, view: View) -> tuple[Cluster | None, git.Commit | None]:
    """Whether the bucket and the cluster can be used: asked at once.

    Returns what is known of the cluster, and the commit of the workflow.
    """
    with ThreadPoolExecutor(2) as threads:
        commit = threads.submit(kept.commit, request)
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
    """Return what rules are to ask for by the workflow's newest runs, if that is wanted and they run in pods."""
    if not request.learned or request.bucket is None or request.local:
        return ()
    try:
        own = {"workflow": kept.workflow(request), "snakefile": str(request.snakefile)}
        newest = runs.of_workflow(own, request.bucket)
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


@contextlib.contextmanager
def _claimed(plan: RunPlan, lock: FolderLock, view: View) -> Iterator[None]:
    """The run has this folder and its place in the bucket. The embedded bucket lies in the folder."""
    request = plan.request
    me = lock.begin(plan.run, place(request, plan.cluster))
    with contextlib.ExitStack() as stack:
        if request.bucket:
            stack.enter_context(
                prefix_lock(request.bucket, me, view.warn, alone=lock.held, ignore=request.ignore_lock)
            )
        yield


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
        _drawn(plan, events, view) as drawing,
    ):
        try:
            code = _run_snakemake(plan, view, targets, events, drawing)
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


def _drawn(plan: RunPlan, events: History, view: View) -> contextlib.AbstractContextManager[Drawing | None]:
    """Draw a run in a terminal, if that is wanted. It yields whether it is drawn.

    None on this machine, where jobs write to the terminal themselves.
    """
    if plan.cluster is None:
        return contextlib.nullcontext()
    if plan.request.plain or not view.can_draw():
        return contextlib.nullcontext(Drawing(is_on=False))
    return view.show_run(plan.run, events.path)


_STATES = {
    0: event.COMPLETE,
    errors.WORKFLOW_FAILED: event.EXECUTOR_ERROR,
    errors.INTERRUPTED: event.CANCELED,
}


def _run_snakemake(
    plan: RunPlan,
    view: View,
    targets: Targets,
    events: History | None = None,
    drawing: Drawing | None = None,
) -> int:
    """events: of a run, and of a dry run none. drawing: of the run; None on this machine."""
    with (
        kept.params_file(plan) as copy,
        _workspace(plan, view) as place,
        _records(plan, place, view) as book,
    ):
        interrupted = interrupts.remembered()
        if events:
            events.note("run.started", kept.start(plan))
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
                drawing,
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
