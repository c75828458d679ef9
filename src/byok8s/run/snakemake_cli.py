"""Snakemake, run in this process through its own command line."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import WorkflowError

import byok8s
from byok8s import compat, workspace
from byok8s.access.preflight import Cluster
from byok8s.choices import Software
from byok8s.data import inputs
from byok8s.data.targets import Targets
from byok8s.errors import Byok8sError, InputError
from byok8s.fleet.interrupts import guard_logging
from byok8s.fleet.record import Record
from byok8s.history.sizes import Size
from byok8s.jobs import keep, keys
from byok8s.jobs import software as declared
from byok8s.provenance.persistence import Records
from byok8s.request import Request
from byok8s.run import adjust, announcements
from byok8s.run.drawing import Drawing
from byok8s.s3 import Bucket
from byok8s.shown import guard_snakemake
from byok8s.workspace import Workspace
from byok8s.workspace.folder import missing_inputs, origin, refused_inputs

if TYPE_CHECKING:
    from snakemake.dag import DAG


MOST_MISSING = 20  # files that are named


def arguments(
    request: Request,
    bucket: Bucket,
    cluster: Cluster | None,
    run: str,
    image: str,
    params: Path,
    place: Workspace,
) -> list[str]:
    """Return Snakemake's command line for a request.

    params: the run's own copy of the params file. place: where Snakemake works.
    """
    return [
        *request.targets,
        *("--snakefile", str(place.snakefile)),
        # without one Snakemake misses a file that `configfile:` names; with an empty one it would not
        *(["--configfile", str(params)] if request.params_file or request.params else []),
        *("--default-storage-provider", "byok8s"),
        *("--default-storage-prefix", bucket.url),
        *("--storage-byok8s-workspace", str(place.root)),
        *("--storage-byok8s-prefix", bucket.url),
        *_place(request, cluster, run, image),
        *(["--dry-run"] if request.dry_run else []),
        *("--quiet", "host"),
        # byok8s has a lock of the folder that no dead process keeps, which Snakemake's does
        "--nolock",
        # what is in the bucket is whole: it was put there in one piece, after its job had ended well
        "--rerun-incomplete",
        *(["--forceall"] if request.force else []),
        *_software(request),
        *request.snakemake_arguments,
    ]


def _place(request: Request, cluster: Cluster | None, run: str, image: str) -> list[str]:
    if request.local or cluster is None:
        return ["--executor", "local", *(["--cores", str(request.jobs)] if request.jobs else [])]
    return [
        *("--executor", "byok8s"),
        *("--jobs", str(request.jobs)),
        *_said("scale-threads", cluster.threads),
        # Snakemake's default takes minutes to choose among some thousand ready jobs
        *("--scheduler", "byok8s"),
        *("--container-image", image),
        *("--byok8s-run", run),
        *("--byok8s-namespace", cluster.namespace),
        *(["--byok8s-no-reuse"] if request.no_reuse else []),
        *(["--byok8s-no-credentials"] if request.no_credentials else []),
        *_said("reuse-factor", request.reuse_factor),
        *_said("oom-retries", request.oom_retries),
        *_said("oom-factor", request.oom_factor),
        *_said("pending-timeout", request.pending_timeout),
        *(["--byok8s-pod", json.dumps(dict(request.pod))] if request.pod else []),
        *_said("pod-template", request.pod_template),
        *_said("channel-alias", request.channel_alias),
        *_said("cache", request.cache),
        *_said("context", request.context),
    ]


def _software(request: Request) -> list[str]:
    """Have Snakemake heed the rules' environments, and not look for a conda to make them with."""
    if request.local or request.software == "image":
        return []
    methods = ["conda"] if request.software == "conda" else ["conda", "apptainer"]
    return ["--software-deployment-method", *methods, "--conda-base-path", "none"]


def _said(flag: str, value: float | str | None) -> list[str]:
    return [] if value is None else [f"--byok8s-{flag}", str(value)]


def load() -> None:
    """Import it, which takes the best part of a second: for a thread beside what waits for servers."""
    with contextlib.suppress(Exception):  # it is raised again where Snakemake is needed
        import snakemake.cli  # noqa: F401


def run(
    argv: list[str],
    cores: int,
    targets: Targets,
    record: Record | None = None,
    provenance: Records | None = None,
    software: Software | None = None,
    sizes: Sequence[Size] = (),
    drawing: Drawing | None = None,
) -> bool:
    """Run Snakemake. Return whether all that was asked for is there in the end; False after a job has failed.

    cores: what the Snakefile knows as workflow.cores, unless --cores says it. targets: gets to know what is asked for.
    record: of the run. provenance: the bucket's records of how files were made. software: what rules get in pods, None
    for a run on this machine. sizes: of rules, unless a flag or a profile says others. drawing: what
    shows the jobs; None if Snakemake itself is to announce them.

    Raises InputError if Snakemake finds a fault in its arguments, the Snakefile, the params or a target, which it does
    before the first job. Raises KeyboardInterrupt if the user interrupts before that.
    """
    from snakemake.cli import args_to_api
    from snakemake.logging import logger

    parser, args = _parse(argv)
    _let_jobs_come(parser, args)
    _limit_threads(parser, args)
    _size(args, sizes)
    guard_snakemake()
    guard_logging()
    planning = _Planning()
    logger.addFilter(planning)  # a handler would be taken off: Snakemake clears those when it starts
    try:
        planned = partial(_planned, targets, record, provenance, software, drawing)
        with (
            adjust.adjusted(cores, planned, record, provenance),
            nullcontext() if software is None else adjust.made_in_pods(),
            _announced(args, record, drawing),
        ):
            done = bool(args_to_api(args, parser))
    except Exception as error:
        # Snakemake 9 trips over its own line numbers while it prints a SyntaxError
        if syntax := next((cause for cause in _causes(error) if isinstance(cause, SyntaxError)), None):
            raise InputError(
                f"The Snakefile cannot be read: {syntax.msg}.",
                where=workspace.of_user(f"{syntax.filename}, line {syntax.lineno}."),
            ) from error
        raise
    finally:
        logger.removeFilter(planning)
    if planning.faults and not planning.over:
        if ours := next((cause for cause in _causes(planning.error) if isinstance(cause, Byok8sError)), None):
            raise ours
        faults = "\n".join(planning.faults)
        raise InputError(
            "Snakemake cannot plan the workflow:",
            where=faults,
            hint=_of_what_is_missing(faults) + (_of_what_lies_outside(faults) or _of_what_is_here()),
        )
    return done


def _announced(
    args: Namespace, record: Record | None, drawing: Drawing | None
) -> AbstractContextManager[None]:
    if drawing is None or record is None:
        return nullcontext()
    return announcements.announced(record.events, drawing, in_full=args.verbose or args.printshellcmds)


def _of_what_lies_outside(faults: str) -> str:
    """Say why a file is not found that the user has: the workspace mirrors no more than the root."""
    for path in map(Path, re.findall(r"'(/[^'\n]+)'", faults)):
        if (
            "No such file" in faults
            and path.exists()
            and not path.resolve().is_relative_to(origin().resolve())
        ):
            return f"\n{path.resolve()} is outside of {origin()}, which is all that a run has: move it there."
    return ""


def _of_what_is_missing(faults: str) -> str:
    """Say what is missing in all. Snakemake speaks of one job, and if that is all there is nothing to add."""
    here = set(refused_inputs())
    missing = [(path, rule) for path, rule in missing_inputs() if path not in here]
    if all(path in faults for path, _ in missing):
        return ""
    found = [f"{path} (rule {rule})" if rule else path for path, rule in missing]
    more = [f"and {len(found) - MOST_MISSING} more"] if found[MOST_MISSING:] else []
    listed = "\n".join(f"    {each}" for each in [*found[:MOST_MISSING], *more])
    return f"\nMissing are {len(found)} files, which no rule makes:\n{listed}"


def _of_what_is_here() -> str:
    """Say which missing inputs the user has."""
    if not (found := refused_inputs()):
        return ""
    return f"\n{inputs.named(found)}: in your folder, and not in the bucket. --upload yes uploads what is needed."


def _planned(
    targets: Targets,
    record: Record | None,
    records: Records | None,
    software: Software | None,
    drawing: Drawing | None,
    dag: DAG,
) -> None:
    """Announce what a plan makes. Look at one that is carried out on this machine, and have its inputs in the bucket.

    The executor does so for those of a cluster, if there is anything to do.
    """
    targets.planned(dag)
    if drawing and any(plugin.writes_to_stream for plugin in compat.logger_plugins(dag.workflow)):
        drawing.give_way()
    if record and not dag.workflow.dryrun:
        record.planned(job.rule.name for job in dag.needrun_jobs())
    if records:
        records.planned(dag)
    if software:
        _check_software(dag, software)
    if len(dag) and not dag.workflow.local_exec:
        return
    try:
        if len(dag):
            keep.check(dag.jobs)
            keys.check(
                list(keys.stored(dag.jobs, dag.workflow)),
                None if dag.workflow.dryrun else keys.asking(dag.workflow),
            )
        inputs.give(dag)
    except Byok8sError as error:
        raise WorkflowError(str(error)) from error


def _check_software(dag: DAG, software: Software) -> None:
    from snakemake.logging import logger

    try:
        declared.check(dag, all_declared=software == "declared")
    except Byok8sError as error:
        raise WorkflowError(str(error)) from error
    if dag.workflow.dryrun:
        for words in filter(None, (declared.environments(dag), declared.containers(dag))):
            logger.info(words)


def _let_jobs_come(parser: ArgumentParser, args: Namespace) -> None:
    """No rate of submission, where the user has not set one.

    Pods are made when there is something to run in them, however fast the jobs come; and to keep its rate Snakemake
    chooses among all ready jobs again each time that some were let through (snakemake#3804).
    """
    from snakemake.settings.types import MaxJobsPerTimespan

    default = MaxJobsPerTimespan.parse_choice(parser.get_default("max_jobs_per_timespan"))
    if vars(args.max_jobs_per_timespan) == vars(default):
        args.max_jobs_per_timespan = None


def _limit_threads(parser: ArgumentParser, args: Namespace) -> None:
    """Limit jobs to this machine's cores, or to the largest node's, unless the user or a profile names a number."""
    from snakemake.cli import parse_cores

    if args.executor == "local":
        args.cores = args.cores or parse_cores("all")
    elif args.cores and _cores_of_profile(parser) != "all":  # which would be those of this machine
        args.byok8s_scale_threads = None
    elif isinstance(
        args.byok8s_scale_threads, int
    ):  # Snakemake has an object of its own for what is not said
        args.cores = args.byok8s_scale_threads
    else:
        args.cores = adjust.NO_LIMIT if args.dryrun else None


def _size(args: Namespace, sizes: Sequence[Size]) -> None:
    """Have rules ask for sizes, as --set-resources and --set-threads do; what those say themselves counts more."""
    for size in sizes:
        if size.mem_mb:
            args.set_resources.setdefault(size.rule, {}).setdefault("mem_mb", size.mem_mb)
        if size.threads:
            args.set_threads.setdefault(size.rule, size.threads)


def _cores_of_profile(parser: ArgumentParser) -> str | None:
    """Return what a profile says of cores; None if none does, or the command line overrules it."""
    sources: dict[str, dict[str, tuple[object, str]]] = parser.get_source_to_settings_dict()  # type: ignore[attr-defined]
    found = [settings["cores"][1] for settings in sources.values() if "cores" in settings]
    return found[0] if found else None


def _parse(argv: list[str]) -> tuple[ArgumentParser, Namespace]:
    from snakemake.cli import parse_args

    words = io.StringIO()
    try:
        with contextlib.redirect_stderr(words):
            parser, args = parse_args(argv)
    except SystemExit as end:
        if not end.code:
            raise
        fault = words.getvalue().rpartition("error: ")[2].strip()
        raise InputError(
            f"Snakemake does not take its arguments: {fault}.", hint="What comes after -- is Snakemake's."
        ) from end
    return parser, args


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


class _Planning(logging.Filter):
    """Keeps the faults that Snakemake finds before its first job, and lets everything else pass.

    faults: Snakemake's words for them. error: the exception that it spoke of last.
    over: whether Snakemake has announced a job.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.error: BaseException | None = None
        self.over = False

    def filter(self, record: logging.LogRecord) -> bool:
        event = str(getattr(record, "event", ""))
        self.over = self.over or event == "job_started"
        if self.over or event != "error":
            return True
        self.faults.append(_plain(record.getMessage()))
        self.error = sys.exception()  # Snakemake speaks of an exception while it handles it
        return False


# not any folder of this name: a user's may have it
OUR_FRAME = re.compile(
    rf'^ *File "(?:{re.escape(str(Path(byok8s.__file__).parent))}|[^"\n]*/snakemake_storage_plugin_byok8s)/[^"\n]*", '
    r"line \d+, in [\w<>]+\n?",
    re.MULTILINE,
)


def _plain(words: str) -> str:
    """Name files as the user does: those of other buckets, whose local copies lie apart, and those of the folder.

    Where in our own code an error was raised means nothing to them.
    """
    words = re.sub(r"\.snakemake/storage/byok8s/", "s3://", OUR_FRAME.sub("", words))
    return workspace.of_user(words).strip()
