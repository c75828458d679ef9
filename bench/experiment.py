"""Upstream in a namespace of its own: how it is run there, and what is seen of its pods."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from byok8s.kube import ApiError
from byok8s.kube.objects import items, text
from process import Ended, Process
from sandbox import Sandbox
from upstream import Upstream

WAIT_SECONDS = 150.0  # for what a fault needs before it can be made
AT_WORK = re.compile(r"^(local)?rule \w+:", re.MULTILINE)
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Experiment:
    """cluster: the namespace, the prefix in the bucket and the folder. limit: seconds that a process may take.

    logs: the folder for what they say, and the beginning of the files' names. stack: undone at the end.
    """

    cluster: Sandbox
    theirs: Upstream
    precommand: str
    limit: float
    logs: Path
    stack: ExitStack

    def start(self, *arguments: str, jobs: int = 2, **environment: str) -> Process:
        """Snakemake, with these arguments beside those that it always gets."""
        here = self.cluster
        target = json.loads((here.folder / "wf.json").read_text())["workflow_target"]
        command = self.theirs.command(
            target, "params.json", jobs, here.namespace, here.bucket, self.precommand
        )
        log = next(log for number in count(1) if not (log := Path(f"{self.logs}-{number}.log")).exists())
        process = Process([*command, *arguments], here.folder, here.environment | environment, log)
        self.stack.callback(process.kill)
        return process

    def end(self, process: Process) -> Ended:
        return process.end(self.limit)

    def run(self, *arguments: str, jobs: int = 2) -> Ended:
        return self.end(self.start(*arguments, jobs=jobs))

    def await_job(self) -> str:
        """The name of a pod in which a job is at work."""
        return self._await(self._at_work)[0]

    def await_ended(self, wanted: int) -> None:
        """Until so many pods are there whose container has ended."""
        self._await(lambda: self._pods(*ENDED), wanted)

    def keep_logs(self) -> None:
        """Of the pods that are still there, beside what Snakemake said."""
        for pod in self._pods("Running", *ENDED):
            Path(f"{self.logs}-{pod}.log").write_text(self._log(pod))

    def _await(self, find: Callable[[], list[str]], wanted: int = 1) -> list[str]:
        until = time.monotonic() + WAIT_SECONDS
        while len(found := find()) < wanted:
            assert time.monotonic() < until, f"{len(found)} of {wanted} pods after {WAIT_SECONDS:.0f} s"
            time.sleep(0.25)
        return found

    def _at_work(self) -> list[str]:
        return [pod for pod in self._pods("Running") if AT_WORK.search(self._log(pod))]

    def _pods(self, *phases: str) -> list[str]:
        found = items(self.cluster.client.get(f"/api/v1/namespaces/{self.cluster.namespace}/pods"), "items")
        return [text(pod, "metadata", "name") for pod in found if text(pod, "status", "phase") in phases]

    def _log(self, pod: str) -> str:
        with suppress(ApiError):  # it has just been deleted
            return self.cluster.client.get_text(f"/api/v1/namespaces/{self.cluster.namespace}/pods/{pod}/log")
        return ""
