"""What is run: the seed's workflows, one of many short jobs, and the metagenomics example."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from common import THEIRS

EXAMPLES = Path(__file__).parents[1] / "examples"
MANY = """
rule all:
    input: expand("out-{{i}}.txt", i=range({count}))
rule one:
    output: "out-{{i}}.txt"
    shell: "echo {{wildcards.i}} > {{output}}"
"""


@dataclass(frozen=True)
class Workflow:
    """name: also of its workflow file. jobs: how many at once. expected: some of its files, with what they must hold.

    count: of a workflow of many jobs, 0 for others. their_count: upstream runs no more than so many of them, and what
    it takes is multiplied. example: the folder it is in. params: the params file.
    """

    name: str
    jobs: int
    expected: Mapping[str, str]
    count: int = 0
    their_count: int = 0
    example: str = "seed"
    params: str = "params-blue.json"

    def write(self, folder: Path, side: str) -> None:
        shutil.copytree(EXAMPLES / self.example, folder, ignore=shutil.ignore_patterns(".*"))
        if self.count:
            (folder / "Snakefile").write_text(MANY.format(count=self._count(side)))
            (folder / f"workflow-{self.name}.json").write_text('{"workflow_target": "all"}')

    def target(self, folder: Path) -> str:
        written = next(folder.glob(f"workflow-{self.name}.*")).read_text()
        return str(yaml.safe_load(written)["workflow_target"])  # of which JSON is a part

    def results(self, side: str) -> Mapping[str, str]:
        """Keys below the prefix, and what must be in them."""
        return self.expected or {f"out-{i}.txt": f"{i}\n" for i in range(self._count(side))}

    def factor(self, side: str) -> float:
        """What a measured time or count is multiplied with."""
        return self.count / self._count(side) if self.count else 1.0

    def _count(self, side: str) -> int:
        return self.their_count if side == THEIRS else self.count


ZETA = "zeta a1 blue\nzeta a2 blue\nzeta b1 blue\nzeta b2 blue\nzeta blue\n"
# what the versions in its packages.txt and requirements.txt make
SAMPLES = (
    "lambda\t685463\tyes\nplasmids\t3000000\tyes\nmixture\t1907245\tyes\n"
    "bees\t1484846\tyes\nisolate\t231025\tno\n"
)
WORKFLOWS = {
    workflow.name: workflow
    for workflow in (
        Workflow("alpha", 16, {"alpha.txt": "alpha blue\n"}),
        Workflow("gamma", 16, {"gamma.txt": "gamma 1 blue\ngamma 2 blue\n"}),
        Workflow("zeta", 16, {"zeta.txt": ZETA}),
        Workflow("many", 8, {}, count=200, their_count=20),
        Workflow(
            "all", 16, {"assembly/samples.tsv": SAMPLES}, example="metagenomics", params="params-all.yaml"
        ),
    )
}
