"""What a worker has before its first job: the run's description and a connection to the bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byok8s.worker import claim_cache, description, job_folder, member, process
from byok8s.worker.cache import Cache, CacheIndex
from byok8s.worker.description import Done, RunDescription
from byok8s.worker.measured import FILE, Phases
from byok8s.worker.parsed import Parsed
from byok8s.worker.process import Order, Process
from byok8s.worker.runner import Runner
from byok8s.worker.transfer import Transfer, connection

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.connection import Connection

RUN = "run.json"


def read_run() -> RunDescription:
    """Return what the pod was given of the run that it belongs to."""
    return description.run_from_json(json.loads((job_folder.files() / RUN).read_text()))


class Workplace:
    """A job's process is forked from one that has it, so that no job pays for it.

    It has no thread and no open stream. many: there is more than one job, so inputs are kept.
    """

    def __init__(self, run: RunDescription, *, many: bool) -> None:
        self.run = run
        self.parsed = Parsed(self.run, _stage, member.run_function)
        self._connection = connection(self.run.storage)
        self._waiting: Process | None = None
        self._cache_index = CacheIndex(job_folder.CACHE) if many else None
        self._notes = -1  # of the job under way

    @property
    def processes(self) -> set[int]:
        """The process ids of what is here before a job and remains after it."""
        waiting = {self._waiting.pid} if self._waiting and self._waiting.is_alive() else set()
        return self.parsed.processes | waiting

    def order(self, bucket: str, key: str) -> Order:
        """Read the order of a pod for one job. Raises StorageError.

        By a connection of its own: a fork must not share one that is open.
        """
        message = fetched(connection(self.run.storage), {"bucket": bucket, "key": key})
        return Order(
            "job", message["description"], message["precommand"], message["runtime"], tuple(message["logs"])
        )

    def expect_job(self) -> None:
        """Fork a process for the next job, so that this one is ready when its order comes."""
        self._waiting = self._waiting or Process(self)

    def begin(self, order: Order, root: Path) -> Process:
        """Start a job in its folder. Have the Snakefile read if the job needs its code."""
        if self._cache_index:
            order = replace(order, cached=self._cache_index.checked())
        if _wants_snakefile(order.description):
            self.parsed.start()
        if self._waiting and self._waiting.is_alive():
            begun, self._waiting = self._waiting, None
        else:
            self._dismiss()
            begun = Process(self)
        self._notes = begun.notes
        begun.begin(order, root)
        return begun

    def keep(self) -> None:
        """Note what the process of a job has kept for others. It has ended."""
        if self._cache_index:
            self._cache_index.learn(self._notes)

    def _dismiss(self) -> None:
        if self._waiting:
            self._waiting.end()
        self._waiting = None

    def get_ready(self) -> None:
        """Open connections to the bucket, in a job's own process."""
        self._connection.open_ahead(self.run.bucket)

    def carry_out(self, order: Order, root: Path) -> Done:
        """Do a job, in its own process. Returns what was stored and left. Raises Failure, or any other error."""
        self._connection.use_ahead()
        phases = Phases(root.parent / FILE)
        self._connection.on_outage(phases.note_outage)
        job = description.job_from_json(self._whole(order.description))
        cache = None if order.cached is None else Cache(job_folder.CACHE, order.cached, process.NOTES)
        transfer = Transfer(self._connection, cache, claim_cache.mounted())
        return Runner(self.run, job, root, transfer, phases).carry_out()

    def _whole(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The description itself, also when it is in the bucket because it is long."""
        if "key" not in data:
            return data
        whole: Mapping[str, Any] = fetched(self._connection, data)["description"]
        return whole


def fetched(connection: Connection, at: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read a JSON object of the bucket. Raises StorageError."""
    with connection.explained("GetObject", f"s3://{at['bucket']}/{at['key']}"):
        answer = connection.client.get_object(Bucket=at["bucket"], Key=at["key"])
        content: Mapping[str, Any] = json.loads(answer["Body"].read())
    return content


def _wants_snakefile(data: Mapping[str, Any]) -> bool:
    return bool(data.get("function")) if "key" in data else description.wants_snakefile(data)


def _stage() -> Path:
    """A folder with the workflow's sources, for the process that reads the Snakefile."""
    return job_folder.lay_out(job_folder.WORK / "parsed")
