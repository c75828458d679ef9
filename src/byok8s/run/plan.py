"""What a run is to be, once its request was checked; and whom it tells of itself."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from byok8s import git, registry, s3
from byok8s.access.preflight import Cluster
from byok8s.data.inputs import Person
from byok8s.fleet import record
from byok8s.history.sizes import Size
from byok8s.locks.folder import FolderLock
from byok8s.locks.owner import LockOwner, RunLocation
from byok8s.pods.names import new_run_id
from byok8s.request import Request
from byok8s.run.drawing import Drawing
from byok8s.settings import default_image


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
        """Show what is to be done, before anything is created but the lock in the bucket."""

    def show_results(self, place: str) -> None:
        """Say where the results are, once they are there."""

    def show_moved(self, totals: Mapping[str, int]) -> None:
        """Say how many bytes of files jobs in pods have moved, by the names that events have for them."""

    def show_record(self, place: str) -> None:
        """Say where the run's record is in the bucket, once it is there."""

    def warn(self, words: str) -> None:
        """Warn of what the run goes on in spite of."""

    def can_draw(self) -> bool:
        """Return whether there is a terminal in which a view of the run can be drawn."""

    def show_run(self, run: str, events: Path) -> contextlib.AbstractContextManager[Drawing]:
        """Draw how a run is, by its events, for as long as the context lasts. It yields whether it is."""


def planned(
    request: Request,
    bucket: s3.Bucket,
    cluster: Cluster | None,
    lock: FolderLock | None,
    region: str | None,
    commit: git.Commit | None,
) -> RunPlan:
    """Return what is to be carried out: a new run, or that of this folder whose controller was killed."""
    resumed = lock.unfinished if lock else None
    if resumed and resumed.place != place(request, cluster):
        resumed = None
    run = resumed.run if resumed and resumed.run else new_run_id()
    return RunPlan(request, bucket, cluster, run, resumed, image(request, cluster, run), region, commit)


def image(request: Request, cluster: Cluster | None, run: str) -> str:
    """Return the image of the pods; the default one by the digest that it has now, or had when the run began."""
    if request.image or cluster is None:
        return request.image or default_image()
    kept = kept_image(run)
    return kept.read_text().strip() if kept.is_file() else registry.pinned(default_image())


def place(request: Request, cluster: Cluster | None) -> RunLocation:
    return RunLocation(
        context=cluster.context if cluster else None,
        namespace=cluster.namespace if cluster else None,
        bucket=request.bucket.url if request.bucket else None,
        endpoint=request.bucket.endpoint_url if request.bucket else None,
    )


def kept_image(run: str) -> Path:
    return record.folder(run) / "image"
