"""What a worker has before its first job: the run's description and a connection to the bucket."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byok8s.worker import description, folder, member
from byok8s.worker.description import RunDescription, Stored
from byok8s.worker.job import Order
from byok8s.worker.parsed import Parsed
from byok8s.worker.runner import Runner
from byok8s.worker.transfer import Transfer, connection

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s.connection import Connection

RUN = "run.json"


class Workplace:
    """A job's process is forked from one that has it, so that no job pays for it.

    It has no thread and no open stream.
    """

    def __init__(self) -> None:
        self.run: RunDescription = description.run_from_json(json.loads((folder.files() / RUN).read_text()))
        self.parsed = Parsed(self.run, _stage, member.run_function)
        self._connection = connection(self.run.storage)
        self._keys = _credentials_time()

    def order(self, bucket: str, key: str) -> Order:
        """Read the order of a pod for one job. Raises StorageError.

        By a connection of its own: a fork must not share one that is open.
        """
        message = fetched(connection(self.run.storage), {"bucket": bucket, "key": key})
        return Order(
            "job", message["description"], message["precommand"], message["runtime"], tuple(message["logs"])
        )

    def prepare(self, order: Order) -> None:
        """Before the job's process is forked. Have the Snakefile read when the job wants its code."""
        if _wants_snakefile(order.description):
            self.parsed.start()
        if _credentials_time() != self._keys:  # the kubelet has brought new ones
            self._connection, self._keys = connection(self.run.storage), _credentials_time()

    def carry_out(self, order: Order, root: Path) -> Sequence[Stored]:
        """Do a job, in its own process. Returns what was stored. Raises Failure, or any other error."""
        job = description.job_from_json(self._whole(order.description))
        return Runner(self.run, job, root, Transfer(self._connection)).carry_out()

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
    return folder.lay_out(folder.WORK / "parsed")


def _credentials_time() -> float:
    try:
        return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "")).stat().st_mtime
    except OSError:
        return 0.0
