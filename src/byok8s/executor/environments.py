"""The conda environments of a run: those that the bucket has not are made before the first jobs, each in a pod.

A pod that fails by no fault of its own is made again. One that cannot make its environment fails the jobs that want it,
and no others.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from byok8s.errors import Byok8sError
from byok8s.fleet.effects import Logger
from byok8s.kube import ApiError, Object
from byok8s.kube.objects import text
from byok8s.pods.cause import Cause, FailureKind
from byok8s.pods.manifest import PodPlan, Shape
from byok8s.pods.names import ENVIRONMENT_LABEL, Names
from byok8s.pods.outcome import GONE, Outcome, State, outcome, refused
from byok8s.software.channels import Channels, Plan
from byok8s.software.spec import PLATFORM, Spec, Specs
from byok8s.software.store import Store, StoredEnvironment
from byok8s.worker import channels
from byok8s.worker.channels import Access
from byok8s.worker.description import Environment
from byok8s.worker.installation import Wanted

if TYPE_CHECKING:
    from snakemake.jobs import Job

MOST_TRIES: Final = 3
MEMORY_MB: Final = 2000  # what the solver takes for the largest public channels, and room to spare
TICK_SECONDS: Final = 0.5


class Pods(Protocol):
    """What is asked of the run's objects in the cluster."""

    names: Names

    def create_pod(self, plan: PodPlan) -> None: ...

    def delete_pod(self, pod: str) -> None: ...

    def change_secret(self, values: Mapping[str, str]) -> None: ...


class Unmade(Byok8sError):
    """A job's environment could not be made: the whole of what is told of the job."""


@dataclass
class _Making:
    """An environment under way. pod: the name of its pod, of this try."""

    spec: Spec
    pod: str
    tries: int = 1


class Environments:
    """All that is known of a run's environments. shape: of the pods that make them."""

    def __init__(self, specs: Specs, store: Store, shape: Shape, channels: Channels, logger: Logger) -> None:
        self._specs, self._store, self._channels, self._logger = specs, store, channels, logger
        self._shape = replace(shape, cores=1, mem_mb=MEMORY_MB, disk_mb=None)
        self._there: dict[str, StoredEnvironment] = {}
        self._in_image: set[str] = set()
        self._failed: dict[str, str] = {}
        self._plans: dict[str, Plan] = {}
        self._access = Access()  # what the run's Secret has of it
        self._news: queue.SimpleQueue[tuple[str, Outcome]] = queue.SimpleQueue()
        self._told: set[str] = set()
        self._over = False
        self.killed = False  # a pod, by whatever; it may have left a part of what it was storing

    def missing(self, jobs: Iterable[Job]) -> list[Spec]:
        """Return what has to be made for jobs. Raises InputError, or BucketError."""
        wanted = {spec.name: spec for spec in map(self._specs.of, jobs) if spec}
        unknown = wanted.keys() - self._there.keys() - self._in_image - self._failed.keys()
        if unknown:
            found = {
                entry.name: entry
                for entry in self._store.entries()
                if entry.name in unknown and entry.platform == PLATFORM
            }
            self._store.note_use(found.values())
            self._there |= found
        missing = [spec for name, spec in wanted.items() if name in unknown and name not in self._there]
        self._plans |= {spec.name: self._channels.plan(spec) for spec in missing}
        if unknown:
            made = f" ({len(missing)} to make)" if missing else ""
            self._logger.info(f"Software: {_counted(len(wanted))}{made}.")
        return missing

    def of(self, job: Job) -> Environment | None:
        """Return the environment of a job, None for the image's software. Raises Unmade."""
        spec = self._specs.of(job)
        if spec is None:
            return None
        if words := self._failed.get(spec.name):
            raise Unmade(words)
        if spec.name in self._in_image:
            return Environment(spec.name, bucket="", key="", sha256="", platform=PLATFORM)
        entry = self._there.get(spec.name)
        if entry is None:
            raise Unmade(f"Failed: its conda environment {spec.source} was not made, as the run ends.")
        return Environment(entry.name, self._store.bucket, self._store.key(entry), entry.sha256, PLATFORM)

    def secret(self) -> dict[str, str]:
        """Return what the run's Secret is to have, by its file: how to get at the channels of what is to be made."""
        for plan in self._plans.values():
            self._access = self._access.with_all_of(plan.access)
        content = self._access.to_json()
        return {channels.FILE: content} if content else {}

    # -- pods --

    def on_pod(self, pod: Object) -> None:
        """Take note of a pod of ours. Any thread may call."""
        self._news.put((text(pod, "metadata", "name"), outcome(pod)))

    def on_gone(self, name: str) -> None:
        """Take note of a pod that is gone. Any thread may call."""
        self._news.put((name, GONE))

    def end(self) -> None:
        """Wait for no environment any more."""
        self._over = True

    def make(self, specs: Iterable[Spec], pods: Pods) -> None:
        """Make environments, all at once, and return when each has been made or has failed. Raises ClusterError."""
        began = time.monotonic()
        specs = list(specs)
        if not self._has_secret(specs, pods):
            return
        making = []
        for spec in specs:
            self._logger.info(f"Making the conda environment {spec.source}.")
            if pod := self._create(spec, pods, 1):
                making.append(_Making(spec, pod))
        while making and not self._over:
            with suppress(queue.Empty):
                name, found = self._news.get(timeout=TICK_SECONDS)
                for each in [one for one in making if one.pod == name]:
                    self._say_why_it_waits(each.spec, found)
                    if found.settled and self._has_ended(each, found, pods, time.monotonic() - began):
                        making.remove(each)

    def _has_secret(self, specs: Iterable[Spec], pods: Pods) -> bool:
        """Return whether pods can get at all channels, also those of jobs that were not planned at first."""
        before = self._access
        secret = self.secret()
        if self._access == before:
            return True
        try:
            pods.change_secret(secret)
        except ApiError as error:
            self._access = before
            why = f"the credentials for its channels cannot be put into the run's Secret. {error}"
            for spec in specs:
                self._fail(spec, "", Outcome(State.FAILED, why.rstrip("."), cause=Cause.FORBIDDEN))
            return False
        return True

    def _say_why_it_waits(self, spec: Spec, found: Outcome) -> None:
        if found.waits and not found.settled and found.why and found.why not in self._told:
            self._told.add(found.why)
            self._logger.warning(f"The conda environment {spec.source} waits: {found.why}.")

    def _create(self, spec: Spec, pods: Pods, attempt: int) -> str:
        """Return the name of the pod, "" if the cluster refuses it."""
        plan = self._plans[spec.name]
        wanted = Wanted(
            name=spec.name,
            yaml=plan.yaml,
            pin=plan.pin,
            deploy=spec.deploy,
            platform=PLATFORM,
            bucket=self._store.bucket,
            folder=f"{self._store.folder}/{PLATFORM}",
            channels=plan.channels,
        )
        name = pods.names.environment_pod(spec.name, attempt)
        arguments = ("environment", wanted.to_argument())
        try:
            pods.create_pod(
                PodPlan(
                    name,
                    {ENVIRONMENT_LABEL: spec.name},
                    self._shape,
                    arguments,
                    secret_files=(channels.FILE,),
                )
            )
        except ApiError as error:
            self._fail(spec, name, refused(error))
            return ""
        return name

    def _has_ended(self, making: _Making, found: Outcome, pods: Pods, seconds: float) -> bool:
        """Return whether an environment is there, or never will be."""
        spec = making.spec
        pods.delete_pod(making.pod)
        if found.state is State.SUCCEEDED and found.stored:
            (stored,) = found.stored
            if not stored.key:
                self._in_image.add(spec.name)
                self._logger.info(f"The image has the conda environment {spec.source}.")
                return True
            entry = StoredEnvironment(
                name=spec.name,
                platform=PLATFORM,
                source=spec.source,
                sha256=stored.sha256,
                size=stored.size,
            )
            self._store.note(entry)
            self._there[spec.name] = entry
            self._logger.info(
                f"Made the conda environment {spec.source} in {seconds:.0f} s ({entry.size / 1e6:.0f} MB)."
            )
            return True
        self.killed = True
        infrastructure = not found.cause or found.cause.kind is FailureKind.INFRASTRUCTURE
        if infrastructure and making.tries < MOST_TRIES:
            making.tries += 1
            self._logger.warning(f"The conda environment {spec.source} is made again: {found.why}.")
            making.pod = self._create(spec, pods, making.tries)
            return not making.pod
        self._fail(spec, making.pod, found)
        return True

    def _fail(self, spec: Spec, pod: str, found: Outcome) -> None:
        found = replace(found, why=f"its conda environment {spec.source} cannot be made: {found.why}")
        self._failed[spec.name] = found.words(pod, None, "")


def _counted(number: int) -> str:
    return f"{number} conda environment{'s' if number > 1 else ''}"
