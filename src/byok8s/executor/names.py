"""What a run calls itself and its objects."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

RUN_LABEL = "byok8s.io/run"
RULE_LABEL = "byok8s.io/rule"
JOB_LABEL = "byok8s.io/job"
WORKER_LABEL = "byok8s.io/worker"
SHAPE_ANNOTATION = "byok8s.io/shape"
CONTROLLER_ANNOTATION = "byok8s.io/controller"
CONTENTS_ANNOTATION = "byok8s.io/contents"
MANAGED_BY = {"app.kubernetes.io/name": "byok8s", "app.kubernetes.io/managed-by": "byok8s"}

LONGEST_NAME = 63  # a pod's name is also its host name (RFC 1123 label)


def new_run_id() -> str:
    """A name for a run that sorts by its start, as in 20261122-193000-k3x9."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class Names:
    """The names and labels of one run's objects.

    run: its id, of letters, digits and dashes.
    """

    run: str

    @property
    def owner(self) -> str:
        return f"byok8s-{self.run}"

    @property
    def secret(self) -> str:
        return self.owner

    def config_map(self, number: int) -> str:
        return f"{self.owner}-{number}"

    def worker_pod(self, number: int) -> str:
        return f"{self.owner}-worker-{number}"

    def job_pod(self, rule: str, task: str) -> str:
        word = re.sub(r"[^a-z0-9]+", "-", rule.lower()).strip("-") or "job"
        return f"{self.owner}-{word}"[: LONGEST_NAME - len(task) - 1].rstrip("-") + f"-{task}"

    @property
    def labels(self) -> dict[str, str]:
        return {**MANAGED_BY, RUN_LABEL: self.run}

    @property
    def selector(self) -> str:
        return f"{RUN_LABEL}={self.run}"


def label_value(words: str) -> str:
    """`words` as a label's value: at most 63 letters, digits, dashes, underscores and dots."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words)[:LONGEST_NAME].strip("-_.")
