"""What the workflow would run: planned by Snakemake, as for a dry run, in a process of its own.

Its own process, because Snakemake and the Snakefile print, change what is global, and take the processor for seconds.
What they tell of each job is Snakemake's own event of it (snakemake_interface_logger_plugins, LogEvent.JOB_INFO).
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, cast

from byok8s import params, workspace
from byok8s.access.preflight import Cluster
from byok8s.choices import Software
from byok8s.data.targets import Targets
from byok8s.errors import InputError
from byok8s.jobs.software import containers, environments, honours_conda
from byok8s.request import Request
from byok8s.run import snakemake_cli
from byok8s.s3 import Bucket
from byok8s.software.dockerfile import Declared
from byok8s.software.spec import Spec, Specs

if TYPE_CHECKING:
    from snakemake.dag import DAG

PLAN_SECONDS = 60.0
PLAIN = (bool, int, float, str)  # what is not known before other jobs have run is of a class of its own


@dataclass(frozen=True)
class PlannedJob:
    """name: of its rule. resources: as Snakemake has them."""

    name: str
    resources: Mapping[str, bool | int | float | str]


@dataclass(frozen=True)
class WorkflowPlan:
    """jobs: those that are to be run, without those that ask for the same. software: what their rules get of what they
    declare, in sentences. environments: of all rules, whether they are to run or not. fault:
    why there is no plan; hint: what to do.
    """

    jobs: Sequence[PlannedJob] = field(default_factory=tuple)
    software: Sequence[str] = ()
    environments: Sequence[Declared] = ()
    fault: str = ""
    hint: str = ""


def plan(
    request: Request,
    bucket: Bucket,
    environment: Mapping[str, str],
    cluster: Cluster,
    image: str,
    ending: threading.Event,
) -> WorkflowPlan | None:
    """Have Snakemake plan the workflow. Returns None if it has taken longer than PLAN_SECONDS.

    environment: beside this process'. ending: set where nobody waits for the plan any more.
    """
    with (
        TemporaryDirectory() as temporary,
        workspace.temporary(request.source, request.snakefile) as place,
    ):
        folder = Path(temporary)
        copy, found = folder / params.copy_name(request.params_file), folder / "plan.json"
        copy.write_bytes(params.copy(request.params_file, request.params))
        asked = snakemake_cli.arguments(
            replace(request, dry_run=True), bucket, cluster, "doctor", image, copy, place
        )
        command = [sys.executable, "-m", __name__, str(found), str(cluster.cores), request.software, *asked]
        with (folder / "words").open("w+b") as words:
            ended = _run(command, place.folder, {**os.environ, **environment}, words, ending)
            words.seek(0)
            said = words.read().decode(errors="replace").strip().rpartition("\n")[2]
        if found.is_file():
            told = json.loads(found.read_text())
            jobs = [PlannedJob(**job) for job in told["jobs"]]
            declared = [Declared(Spec(**each["spec"]), tuple(each["rules"])) for each in told["environments"]]
            return WorkflowPlan(jobs, told["software"], declared, told["fault"], told["hint"])
    return WorkflowPlan(fault=f"Snakemake ended without a plan: {said}") if ended else None


def _run(
    command: list[str],
    place: Path,
    environment: Mapping[str, str],
    words: IO[bytes],
    ending: threading.Event,
) -> bool:
    """Return whether the process has ended by itself. place: where it works."""
    child = subprocess.Popen(
        command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words
    )
    until = time.monotonic() + PLAN_SECONDS
    while (code := child.poll()) is None and time.monotonic() < until:
        if ending.wait(0.05):
            break
    if code is None:
        child.kill()
        child.wait()
    return code is not None


def main(found: str, cores: int, software: Software, arguments: list[str]) -> None:
    """Plan, in a process of its own. found: the file to write. cores: of the Snakefile's workflow.cores."""
    from snakemake.logging import logger

    keeper = _Keeper()
    logger.addFilter(keeper)
    told: dict[str, object] = {"fault": "", "hint": ""}
    planned = _Planned()
    try:
        snakemake_cli.run(arguments, cores, planned, software=software)
    except InputError as error:
        told |= {"fault": f"{error.what} {error.where}".strip(), "hint": error.hint}
    told["software"] = planned.software
    told["environments"] = [asdict(each) for each in planned.environments]
    told["jobs"] = [{"name": name, "resources": dict(resources)} for name, resources in keeper.jobs]
    Path(found).write_text(json.dumps(told))


class _Planned(Targets):
    """Keeps what rules get of the software that they declare."""

    def __init__(self) -> None:
        super().__init__()
        self.software: list[str] = []
        self.environments: list[Declared] = []

    def planned(self, dag: DAG) -> None:
        super().planned(dag)
        self.environments = _declared(dag) if honours_conda(dag.workflow) else []
        with suppress(InputError):  # which is said of the plan
            self.software = [words for words in (containers(dag), environments(dag)) if words]


def _declared(dag: DAG) -> list[Declared]:
    """Return the environments of all jobs, by their sources. Raises InputError for one that a run would refuse."""
    specs, rules = Specs(dag.workflow), dict[Spec, set[str]]()
    for job in dag.jobs:
        try:
            if spec := specs.of(job):
                rules.setdefault(spec, set()).add(job.rule.name)
        except InputError:
            if dag.needrun(job):
                raise
    found = [Declared(spec, tuple(sorted(of))) for spec, of in rules.items()]
    return sorted(found, key=lambda each: (each.spec.source, each.spec.name))


class _Keeper(logging.Filter):
    """Keeps what Snakemake tells of its jobs. jobs: the rule's name, and the resources."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: set[tuple[str, frozenset[tuple[str, object]]]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        told = vars(record)
        if str(told.get("event")) == "job_info":
            resources = told["resources"].items()
            plain = frozenset((name, value) for name, value in resources if type(value) in PLAIN)
            self.jobs.add((told["rule_name"], plain))
        return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), cast("Software", sys.argv[3]), sys.argv[4:])
