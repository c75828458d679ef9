"""One run: the request is checked against cluster and bucket, shown, and handed to Snakemake."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from byok8s import errors, files, preflight, s3, snakemake
from byok8s.executor.names import new_run_id
from byok8s.preflight import Cluster
from byok8s.request import Request

FOLDER = Path(".byok8s")


@dataclass(frozen=True)
class Plan:
    """A request that can be carried out.

    bucket: with the endpoint that is really used. cluster: None for a dry run and for a run on this machine.
    run: its id. image: of the pods.
    """

    request: Request
    bucket: s3.Bucket
    cluster: Cluster | None
    run: str
    image: str


def execute(request: Request, show: Callable[[Plan], None]) -> int:
    """Carry out a request; show: is given the plan before anything is created.

    Returns the exit code. Raises Byok8sError where cluster or bucket cannot be used.
    """
    with contextlib.ExitStack() as stack:
        bucket = request.bucket or stack.enter_context(_embedded_bucket())
        stack.enter_context(_s3_environment(bucket))
        s3.check_bucket(bucket)
        cluster = None if request.local or request.dry_run else preflight.check_cluster(request)
        image = request.image or f"snakemake/snakemake:v{metadata.version('snakemake')}"
        plan = Plan(request, bucket, cluster, new_run_id(), image)
        show(plan)
        return _run_snakemake(plan)


def _run_snakemake(plan: Plan) -> int:
    with _params(plan) as params, _interruptible() as interrupted:
        arguments = snakemake.arguments(plan.request, plan.bucket, plan.cluster, plan.run, plan.image, params)
        try:
            done = snakemake.run(arguments)
        except KeyboardInterrupt:
            return errors.INTERRUPTED
        if interrupted():
            return errors.INTERRUPTED
    return 0 if done else errors.WORKFLOW_FAILED


@contextlib.contextmanager
def _params(plan: Plan) -> Iterator[Path]:
    """A copy of the params file, in the run's record: in the working folder, from where it reaches the pods.

    A dry run leaves no record, nor does one that Snakemake refuses.
    """
    given = plan.request.params_file
    record = FOLDER / "runs" / plan.run
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory())) if plan.request.dry_run else record
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / f"params{given.suffix}"
        # Snakemake refuses an empty config file
        copy.write_bytes(given.read_bytes() if files.load(given) else b"{}")
        try:
            yield copy
        except errors.InputError:
            shutil.rmtree(record, ignore_errors=True)
            raise


@contextlib.contextmanager
def _embedded_bucket() -> Iterator[s3.Bucket]:
    """The S3 server of a run on this machine without a bucket; its data stays for the next run."""
    with s3.embedded_server(FOLDER / "s3") as server:
        keys = server.credentials
        with _environment(AWS_ACCESS_KEY_ID=keys.access_key, AWS_SECRET_ACCESS_KEY=keys.secret_key):
            yield server.bucket


@contextlib.contextmanager
def _s3_environment(bucket: s3.Bucket) -> Iterator[None]:
    """The endpoint goes where S3's own tools look for it: so the storage plugin, other plugins of the
    workflow and `aws` in a rule's commands all use the same server.
    """
    if not bucket.endpoint_url:
        yield
        return
    with _environment(AWS_ENDPOINT_URL=bucket.endpoint_url, AWS_ENDPOINT_URL_S3=bucket.endpoint_url):
        yield


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
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
