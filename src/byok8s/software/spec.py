"""What a conda environment is made of, as Snakemake sees it; and Snakemake's name for it. No conda is needed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from byok8s.errors import InputError

if TYPE_CHECKING:
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow

ENVIRONMENTS: Final = (
    "/work/envs"  # in pods: byok8s.worker.job_folder has it, by the name of their working folder
)
PLATFORM: Final = "linux-64"
_SUFFIXES: Final = [".yaml", ".yml"]


@dataclass(frozen=True)
class Spec:
    """An environment. source: its file, for people. The others are texts: of the file, of its pin file and of its
    post-deploy script, "" if there is none.
    """

    source: str
    yaml: str
    pin: str
    deploy: str

    @property
    def name(self) -> str:
        """Return Snakemake's hash, for the folder that environments have in pods."""
        # as in snakemake.deployment.conda.Env._get_hash
        parts = (ENVIRONMENTS, self.deploy, self.pin, self.yaml)
        return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


class Specs:
    """Those of a run's jobs, each of which is read once."""

    def __init__(self, workflow: Workflow) -> None:
        self._cache = workflow.sourcecache
        self._read: dict[str, Spec | None] = {}

    def of(self, job: Job) -> Spec | None:
        """Return what a job's environment is made of, None if it has none. Raises InputError if that cannot be had.

        A wrapper in a folder of this machine need not have any.
        """
        spec = job.conda_env_spec
        if spec is None:
            return None
        if not spec.is_file:
            raise InputError(
                f"Rule {job.rule.name} wants a conda environment by its name or folder, which pods do not have.",
                hint="Name a file in its place, as conda: 'envs/NAME.yaml'; or use --software image.",
            )
        address = str(spec.file.get_path_or_uri(secret_free=True))
        if address not in self._read:
            self._read[address] = self._spec(job, spec.file)
        return self._read[address]

    def _spec(self, job: Job, file: Any) -> Spec | None:
        if job.is_wrapper and _is_local(file) and not self._cache.exists(file):
            return None
        try:
            return Spec(
                source=str(file.simplify_path()),
                yaml=self._text(file),
                pin=self._beside(file, f".{PLATFORM}.pin.txt"),
                deploy=self._beside(file, ".post-deploy.sh"),
            )
        except Exception as error:
            raise InputError(
                f"The conda environment of rule {job.rule.name} cannot be read.", where=f"{file}: {error}"
            ) from error

    def _beside(self, file: Any, suffix: str) -> str:
        beside = file.replace_suffix(_SUFFIXES, suffix)
        return self._text(beside) if beside is not None and self._cache.exists(beside) else ""

    def _text(self, file: Any) -> str:
        with self._cache.open(file, "rb") as content:
            return str(content.read().decode())


def _is_local(file: object) -> bool:
    from snakemake.sourcecache import LocalSourceFile

    return isinstance(file, LocalSourceFile)
