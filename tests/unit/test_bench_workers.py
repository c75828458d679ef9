"""The bench of many workers, with three of them: that it runs, not how fast."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_workers_connect_idle_and_work() -> None:
    done = subprocess.run(
        [sys.executable, "bench/workers.py", "--workers", "3", "--idle", "0.1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "tests/helpers"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 workers: connected after" in done.stdout
    assert re.search(r"30 jobs that are over at once: .* of a processor each", done.stdout)
