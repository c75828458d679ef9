"""The workflow, run on this machine in a copy of its folder, and what its results hold."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[1]
PARAMS = yaml.safe_load((FOLDER / "params-small.yaml").read_text())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the results of a run with params-small."""
    copy = tmp_path_factory.mktemp("run") / "workflow"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".*"))
    ours = {name: value for name, value in os.environ.items() if not name.startswith("BYOK8S_")}
    done = subprocess.run(
        # the empty name keeps the run out of a bucket that workflow-all.yaml may name
        [sys.executable, "-m", "byok8s", "workflow-all", "params-small", "--local", "--s3-bucket="],
        cwd=copy,
        env=ours,
        check=False,
    )
    assert done.returncode == 0
    return copy / ".byok8s" / "results"


def report(results: Path) -> dict[str, dict[str, str]]:
    """The row of each sample, by the names of the columns."""
    head, *rows = [line.split("\t") for line in (results / "report.tsv").read_text().splitlines()]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_the_report_has_a_row_for_each_sample(results: Path) -> None:
    assert [*report(results)] == PARAMS["samples"]


@pytest.mark.parametrize("sample", PARAMS["samples"])
def test_a_row_says_what_is_in_the_reads(sample: str, results: Path) -> None:
    reads = (results / "reads" / f"{sample}.fastq").read_text().splitlines()[1::4]
    k = PARAMS["k"]
    counts = Counter(read[start : start + k] for read in reads for start in range(len(read) - k + 1))
    commonest = min(counts, key=lambda kmer: (-counts[kmer], kmer))
    assert report(results)[sample] == {
        "sample": sample,
        "reads": str(PARAMS["reads"]),
        "kmers": str(counts.total()),
        "distinct": str(len(counts)),
        "commonest": commonest,
        "times": str(counts[commonest]),
    }
