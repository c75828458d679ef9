"""Orders that reach pods by way of the bucket: those of pods for one job, and those too long for a line of a stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from byok8s.pods.manifest import Task
from byok8s.worker.description import wants_snakefile
from byok8s.worker.protocol import LONGEST_LINE_BYTES

if TYPE_CHECKING:
    from snakemake_storage_plugin_byok8s import StorageProvider

LONGEST_BYTES = LONGEST_LINE_BYTES // 2  # the rest of a message needs room, too


class Orders:
    """Those of one run, below its record in the bucket. Any thread may call."""

    def __init__(self, provider: StorageProvider, prefix: str, run: str) -> None:
        """prefix: of the run's files, as s3://bucket/prefix."""
        self._provider = provider
        self._bucket, _, prefix = prefix.removeprefix("s3://").rstrip("/").partition("/")
        self._folder = "/".join(filter(None, [prefix, f".byok8s/runs/{run}/orders"]))
        self._kept: set[str] = set()  # keys

    def place(self, task: Task, *, always: bool) -> Mapping[str, object]:
        """Return what a task's worker is given as description: the task's own, or where that now is.

        always: also when it is short. Raises WorkflowError of the storage plugin.
        """
        description = task.description
        if not always and len(json.dumps(description)) <= LONGEST_BYTES:
            return description
        key = f"{self._folder}/{task.job}-{task.attempt}.json"
        order = {
            "description": description,
            "precommand": task.precommand,
            "runtime": task.runtime,
            "logs": list(task.logs),
        }
        connection = self._provider.connection
        with connection.explained("upload", f"s3://{self._bucket}/{key}"):
            connection.client.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(order).encode())
        self._kept.add(key)
        return {"bucket": self._bucket, "key": key, "function": wants_snakefile(description)}

    def remove(self, task: Task | None = None) -> None:
        """Remove a task's order from the bucket, or all that are there; what cannot be removed stays."""
        mine = {key for key in self._kept if task is None or key == task.description.get("key")}
        self._kept -= mine
        with suppress(Exception):  # it is no reason for a run to fail
            for key in mine:
                self._provider.connection.client.delete_object(Bucket=self._bucket, Key=key)
