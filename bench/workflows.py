"""What is run: the seed's workflows, and one of many short jobs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common import THEIRS

SEED = Path(__file__).parents[1] / "examples" / "seed"
PARAMS = "params-blue"
MANY = """
rule all:
    input: expand("out-{{i}}.txt", i=range({count}))
rule one:
    output: "out-{{i}}.txt"
    shell: "echo {{wildcards.i}} > {{output}}"
"""


@dataclass(frozen=True)
class Workflow:
    """name: also of its workflow file. jobs: how many at once. count: of a workflow of many jobs, 0 for the seed's.

    their_count: upstream runs no more than so many of them, and what it takes is multiplied.
    """

    name: str
    jobs: int
    expected: Mapping[str, str]
    count: int = 0
    their_count: int = 0

    def write(self, folder: Path, side: str) -> None:
        shutil.copytree(SEED, folder, ignore=shutil.ignore_patterns(".*"))
        if self.count:
            (folder / "Snakefile").write_text(MANY.format(count=self._count(side)))
            (folder / f"workflow-{self.name}.json").write_text('{"workflow_target": "all"}')

    def target(self, folder: Path) -> str:
        return str(json.loads((folder / f"workflow-{self.name}.json").read_text())["workflow_target"])

    def results(self, side: str) -> Mapping[str, str]:
        """Keys below the prefix, and what must be in them."""
        return self.expected or {f"out-{i}.txt": f"{i}\n" for i in range(self._count(side))}

    def factor(self, side: str) -> float:
        """What a measured time or count is multiplied with."""
        return self.count / self._count(side) if self.count else 1.0

    def _count(self, side: str) -> int:
        return self.their_count if side == THEIRS else self.count


ZETA = "zeta a1 blue\nzeta a2 blue\nzeta b1 blue\nzeta b2 blue\nzeta blue\n"
WORKFLOWS = {
    workflow.name: workflow
    for workflow in (
        Workflow("alpha", 16, {"alpha.txt": "alpha blue\n"}),
        Workflow("gamma", 16, {"gamma.txt": "gamma 1 blue\ngamma 2 blue\n"}),
        Workflow("zeta", 16, {"zeta.txt": ZETA}),
        Workflow("many", 8, {}, count=200, their_count=20),
    )
}
