"""The workflow as byok8s doctor plans it: by a real Snakemake, in a process of its own."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from byok8s.choices import Software
from byok8s.doctor import plan as planning
from byok8s.doctor import workflow
from byok8s.doctor.check import CheckStatus
from byok8s.doctor.plan import PlannedJob, WorkflowPlan
from byok8s.errors import InputError
from byok8s.jobs.shapes import Shapes
from byok8s.run.adjust import NO_LIMIT

SNAKEFILE = """
print("a Snakefile that speaks")
rule all:
    input: "a.txt", "1.txt", "2.txt"
rule a:
    output: "a.txt"
    threads: 64
    resources: mem_mb=2000, node_selector="disk=ssd", later=lambda wildcards, input: 1
    shell: "touch {output}"
rule b:
    output: "{n}.txt"
    resources: mem_mb=lambda wildcards: 1000 * int(wildcards.n)
    shell: "touch {output}"
"""


def planned(folder: Path, snakefile: str, *arguments: str, software: Software = "image") -> dict[str, object]:
    (folder / "Snakefile").write_text(snakefile)
    done = subprocess.run(
        [sys.executable, "-m", planning.__name__, "plan.json", "6", software, "--cores", str(NO_LIMIT), *arguments,
         "--dry-run", "--nolock", "--executor", "byok8s", "--jobs", "2"],
        cwd=folder, capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    found: dict[str, object] = json.loads((folder / "plan.json").read_text())
    return found


def test_each_job_with_what_it_asks_for(tmp_path: Path) -> None:
    told = planned(tmp_path, SNAKEFILE, "all")
    assert not told["fault"]
    assert isinstance(told["jobs"], list)
    jobs = [PlannedJob(**job) for job in told["jobs"]]
    found = workflow.shapes(WorkflowPlan(jobs), Shapes({}, None))
    assert sorted(found) == ["a", "all", "b"]
    assert (found["a"].cores, found["a"].mem_mb) == (64, 2000)
    assert "ssd" in found["a"].said
    assert found["b"].mem_mb == 2000  # of the larger of the two


SOFTWARE = """
container: "docker://debian:12"
rule all:
    input: "a.txt", "b.txt"
rule a:
    output: "a.txt"
    conda: "a.yaml"
    shell: "touch {output}"
rule b:
    output: "b.txt"
    container: "docker://busybox"
    shell: "touch {output}"
"""


def test_which_rules_get_which_software(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("channels: [conda-forge]\ndependencies: [samtools]\n")
    both = ("--software-deployment-method", "conda", "apptainer")
    told = planned(tmp_path, SOFTWARE, *both, software="declared")
    software = [
        "Containers: docker.io/library/busybox (b), docker.io/library/debian:12 (a).",
        "Conda environments: a.yaml (a).",
    ]
    assert (told["fault"], told["software"]) == ("", software)
    assert workflow.software(WorkflowPlan(software=software)).seen == " ".join(software)
    told = planned(tmp_path, SOFTWARE)
    assert (told["fault"], told["software"]) == ("", [])
    assert workflow.software(WorkflowPlan()).seen == "all rules get what the image has"


def test_software_that_pods_cannot_have_is_no_plan(tmp_path: Path) -> None:
    bad = SOFTWARE.replace("docker://busybox", "busybox.sif")
    told = planned(tmp_path, bad, "--software-deployment-method", "apptainer", software="declared")
    assert "Pods cannot have the containers that rules declare" in str(told["fault"])
    assert "b (busybox.sif" in str(told["fault"])


@pytest.mark.parametrize(("limit", "threads"), [((), [3, 64]), (("--cores", "2"), [1, 2])])
def test_the_clusters_cores_are_known_and_limit_threads_only_if_that_is_wanted(
    limit: tuple[str, ...], threads: list[int], tmp_path: Path
) -> None:
    snakefile = (
        "rule a:\n    output: 'a.txt'\n    threads: workflow.cores * 0.5\n    shell: 'touch {output}'\n"
        "rule b:\n    output: 'b.txt'\n    threads: 64\n    shell: 'touch {output}'\n"
    )
    told = planned(tmp_path, snakefile, "a", "b", *limit)
    assert isinstance(told["jobs"], list)
    assert sorted(job["resources"]["_cores"] for job in told["jobs"]) == threads


def test_a_workflow_that_cannot_be_planned_is_said_in_snakemakes_words(tmp_path: Path) -> None:
    told = planned(tmp_path, SNAKEFILE, "no-such-target")
    assert "no-such-target" in str(told["fault"])
    check = workflow.planned(WorkflowPlan(fault=str(told["fault"])))
    assert check.status is CheckStatus.FAILED
    assert "no-such-target" in check.seen


def test_a_plan_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (tmp_path / "words").open("w+b") as words:
        monkeypatch.setattr(planning, "PLAN_SECONDS", 0.2)
        assert not planning._run(sleeper, tmp_path, os.environ, words, threading.Event())
        monkeypatch.setattr(planning, "PLAN_SECONDS", 600)
        ending = threading.Event()
        ending.set()
        assert not planning._run(sleeper, tmp_path, os.environ, words, ending)
        assert planning._run([sys.executable, "-c", ""], tmp_path, os.environ, words, threading.Event())


def test_a_plan_that_takes_long_fails_no_run() -> None:
    assert workflow.planned(None).status is CheckStatus.SKIPPED


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([], "all is up to date"),
        (
            [PlannedJob("a", {}), PlannedJob("a", {"mem_mb": 1}), PlannedJob("b", {})],
            "jobs of 2 rules to run",
        ),
    ],
)
def test_a_plan_in_words(jobs: list[PlannedJob], words: str) -> None:
    check = workflow.planned(WorkflowPlan(jobs))
    assert check.status is CheckStatus.OK
    assert words in check.seen


def test_a_rule_that_asks_for_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="In rule a: tolerations"):
        workflow.shapes(WorkflowPlan([PlannedJob("a", {"tolerations": "x:Never"})]), Shapes({}, None))
