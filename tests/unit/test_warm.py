"""A worker loads what its jobs need before the first of them, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
from pathlib import Path
from types import SimpleNamespace

from byok8s.worker.warm import warm_up

warm_up(scripts=sys.argv[1] == "script")
loaded = set(sys.modules)
from byok8s.worker.description import Action, File, JobDescription, Member, RunDescription, Snakefile
from byok8s.worker.runner import Runner
from byok8s.worker.transfer import Transfer

class Nowhere(Transfer):
    def store(self, *_):
        return []

values = {name: {"items": [1], "names": [["q", 0, None]]} for name in ("params", "wildcards", "resources")}
member = Member("a", 1, 1, Action(*sys.argv[1:]), benchmark=File("b.tsv", "bucket", "b.tsv"), values=values)
transfer = Nowhere(SimpleNamespace(client=None))
Runner(RunDescription(Snakefile("Snakefile")), JobDescription([[member]]), Path.cwd(), transfer).carry_out()
print(json.dumps([sorted(loaded), sorted(set(sys.modules) - loaded)]))
"""


def loaded(folder: Path, *action: str) -> tuple[list[str], list[str]]:
    """Return the modules that a worker has loaded before a job, and those that the job has loaded."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *action], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    before, by_job = json.loads(ran.stdout.splitlines()[-1])
    return before, by_job


@pytest.mark.parametrize(
    "action", [("shell", "echo said"), ("script", "print('said', snakemake.params.q)", "scripts/say.py")]
)
def test_a_job_loads_nothing_that_every_job_would(tmp_path: Path, action: tuple[str, ...]) -> None:
    before, by_job = loaded(tmp_path, *action)
    # of Python's own, some parts are read as they are used
    assert [name for name in by_job if name.partition(".")[0] not in sys.stdlib_module_names] == []
    assert "snakemake.shell" in before


def test_a_worker_loads_neither_what_reads_snakefiles_nor_without_scripts_what_they_need(
    tmp_path: Path,
) -> None:
    before, _ = loaded(tmp_path, "shell", "true")
    too_much = {"snakemake.workflow", "snakemake.dag", "sqlalchemy", "jinja2", "pandas", "numpy"}
    assert not (too_much | {"snakemake_storage_plugin_s3"}) & {*before}
