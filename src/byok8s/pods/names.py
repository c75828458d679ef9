"""What a run calls itself and its objects."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

RUN_LABEL = "byok8s.io/run"
RULE_LABEL = "byok8s.io/rule"
JOB_LABEL = "byok8s.io/job"
WORKER_LABEL = "byok8s.io/worker"
ENVIRONMENT_LABEL = "byok8s.io/environment"
SHAPE_ANNOTATION = "byok8s.io/shape"
CONTROLLER_ANNOTATION = "byok8s.io/controller"
CONTENTS_ANNOTATION = "byok8s.io/contents"
PROOF_ANNOTATION = "byok8s.io/proof"
MANAGED_BY = {"app.kubernetes.io/name": "byok8s", "app.kubernetes.io/managed-by": "byok8s"}

_BEGAN = "%Y%m%d-%H%M%S"
LONGEST_NAME = 63  # a pod's name is also its host name (RFC 1123 label)
SUFFIX_CHARACTERS = 12  # 48 bits, of which each guess costs a request


def new_run_id() -> str:
    """A name for a run that sorts by its start, as in 20261122-193000-k3x9."""
    return f"{datetime.now(UTC).strftime(_BEGAN)}-{secrets.token_hex(2)}"


def began(run: str) -> datetime:
    """Return when the first controller of a run began, by its clock. run: the run's id."""
    return datetime.strptime("-".join(run.split("-")[:2]), _BEGAN).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Names:
    """The names and labels of one run's objects.

    Whoever shares the namespace can read the run's id from its Job, and may create an object that the run is about to
    create. So the names of what pods take in end in something that cannot be guessed before they are there, and every
    other object bears a proof that only this run's controllers can make.

    run: its id, of letters, digits and dashes. key: known to the run's controllers alone. uid: of the owner, once that
    is made.
    """

    run: str
    key: str = field(default_factory=secrets.token_hex, repr=False)
    uid: str = ""

    @property
    def owner(self) -> str:
        return f"byok8s-{self.run}"

    @property
    def secret(self) -> str:
        return self._unguessable(self.owner)

    def config_map(self, number: int) -> str:
        return self._unguessable(f"{self.owner}-{number}")

    def proof(self, name: str) -> str:
        """Return what the object of this name bears, to tell it from one that somebody else has made."""
        return hmac.digest(self.key.encode(), f"{self.uid}/{name}".encode(), "sha256").hex()

    def _unguessable(self, name: str) -> str:
        return f"{name}-{self.proof(f'suffix of {name}')[:SUFFIX_CHARACTERS]}"

    def worker_pod(self, number: int) -> str:
        return self._unguessable(f"{self.owner}-worker-{number}")

    def environment_pod(self, name: str, attempt: int) -> str:
        return self._unguessable(f"{self.owner}-env-{name[:8]}-{attempt}")

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
