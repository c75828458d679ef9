"""What the suite itself relies on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MODULE = """
import os, pytest
@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_it(number):
    with open("workers", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


def test_a_group_of_tests_is_run_by_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(MODULE)
    command = [sys.executable, "-m", "pytest", "-q", "--numprocesses", "2", "--dist", "loadgroup"]
    subprocess.run([*command, "--rootdir", ".", "-c", os.devnull, "test_it.py"], cwd=tmp_path, check=True)
    workers = (tmp_path / "workers").read_text().splitlines()
    assert (len(workers), len({*workers})) == (8, 1)
